//! The node's components run, and no others; the API server is ready, in the wanted version.

use super::shared::Traffic;
use super::{StepError, Steps};
use crate::desired::control_plane::{self, API_SERVER};
use crate::desired::{FileOp, PodSpec};
use crate::place::{GRACE, NodeSession, Sandbox, StartKind};
use futures::future::join_all;
use oi_events::{Job, PortUse};
use serde::Deserialize;
use std::time::Duration;

/// Long, because many may start at once on a machine.
const READY: Duration = Duration::from_secs(180);
/// How long a component must run after its start to count as running.
const SETTLED: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "gitVersion")]
    git_version: String,
}

impl Steps {
    pub(super) async fn ensure_control_plane(&self, job: &Job) -> Result<(), StepError> {
        let session = self.session(job).await?;
        let turn = self.turn(&session, StartKind::ControlPlane).await?;
        turn.within(self.start_control_plane(&session)).await
    }

    async fn start_control_plane(&self, session: &NodeSession) -> Result<(), StepError> {
        let (pod, files) = control_plane::pod(&session.ctx, &session.secrets())?;
        if pod.containers.is_empty() {
            return self.remove_control_plane(session, &pod, &files).await;
        }
        let sandbox = self.start_api_server(session, &pod, &files).await?;
        let started = start_others(session, &pod, &sandbox).await?;
        self.check_version(session).await?;
        self.bind_administrators(session).await?;
        if started > 0 && session.ctx.cluster.upgrade.is_some() {
            // A component of the new version must not only start, but keep running.
            tokio::time::sleep(SETTLED).await;
            if start_others(session, &pod, &sandbox).await? > 0 {
                return Err(StepError::Unsettled);
            }
        }
        Ok(())
    }

    /// Starts the API server and waits until it is ready; creates the other containers meanwhile.
    async fn start_api_server(
        &self,
        session: &NodeSession,
        pod: &PodSpec,
        files: &[FileOp],
    ) -> Result<Sandbox, StepError> {
        let place = &session.place;
        let sandbox = place.prepare(pod, files).await?;
        if !sandbox.fresh {
            if place.is_outdated(pod, &pod.containers[0]).await? {
                self.drain(&session.ctx).await;
            }
            place.remove_others(pod).await?;
        }
        place.ensure_container(&sandbox, pod, &pod.containers[0]).await?;
        // A failure is not lost: the start of that container fails again.
        let others = pod.containers.iter().filter(|c| c.name != API_SERVER);
        let ahead = others.map(|c| place.prepare_container(&sandbox, pod, c));
        let (ready, _) = tokio::join!(self.wait_for(session, "/readyz"), join_all(ahead));
        // The controller manager would exit while the API does not answer.
        ready?;
        // A job that was cut off may have drained what stood here before.
        let node = &session.ctx.node;
        if !sandbox.fresh || node.generation > node.added {
            self.set_traffic(&session.ctx, Traffic::Ready).await;
        }
        Ok(Sandbox { fresh: false, ..sandbox })
    }

    /// Removes the pod of a node that runs no component.
    async fn remove_control_plane(
        &self,
        session: &NodeSession,
        pod: &PodSpec,
        files: &[FileOp],
    ) -> Result<(), StepError> {
        let place = &session.place;
        if !place.containers(&pod.identity).await?.is_empty() {
            self.drain(&session.ctx).await;
        }
        place.end_pods(&pod.identity, GRACE).await?;
        place.put(files).await?;
        Ok(())
    }

    /// Starts every component that does not run. Returns how many started.
    pub async fn restart_control_plane(&self, session: &NodeSession) -> Result<usize, StepError> {
        let (pod, files) = control_plane::pod(&session.ctx, &session.secrets())?;
        if pod.containers.is_empty() {
            return Ok(0);
        }
        let place = &session.place;
        let sandbox = place.prepare(&pod, &files).await?;
        let started = place.ensure_container(&sandbox, &pod, &pod.containers[0]).await?;
        if started {
            self.wait_for(session, "/readyz").await?;
        }
        Ok(usize::from(started) + start_others(session, &pod, &sandbox).await?)
    }

    /// Waits until the API server answers 200, and returns the body.
    async fn wait_for(&self, session: &NodeSession, path: &str) -> Result<String, StepError> {
        let address = session.ctx.address(PortUse::ApiServer)?;
        let ca = format!("{}/pki/ca.crt", control_plane::api_server_dir(&session.ctx));
        Ok(session.place.probe(address, path, &ca, None, READY).await?)
    }

    /// Checks that the wanted version answers.
    async fn check_version(&self, session: &NodeSession) -> Result<(), StepError> {
        let seen = self.wait_for(session, "/version").await?;
        let seen: Version = serde_json::from_str(&seen).map_err(StepError::Version)?;
        let wanted = session.ctx.node.versions.api_server.to_string();
        if seen.git_version == wanted {
            return Ok(());
        }
        Err(StepError::OtherVersion { seen: seen.git_version, wanted })
    }
}

/// Starts the other containers, one after the other: a new cluster needs its controller manager
/// first. Returns how many started.
async fn start_others(
    session: &NodeSession,
    pod: &PodSpec,
    sandbox: &Sandbox,
) -> Result<usize, StepError> {
    let mut count = 0;
    for container in pod.containers.iter().filter(|c| c.name != API_SERVER) {
        let started = session.place.ensure_container(sandbox, pod, container).await?;
        count += usize::from(started);
    }
    Ok(count)
}
