//! The node's components run, and no others; the API server is ready, in the wanted version.

use super::shared::Traffic;
use super::{StepError, Steps};
use crate::desired::control_plane::{self, API_SERVER};
use crate::desired::{FileOp, PodSpec};
use crate::place::{GRACE, NodeSession, Sandbox, StartKind};
use futures::future::join_all;
use oi_events::{Job, PortUse, chain};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// Long, because many may start at once on a machine.
const READY: Duration = Duration::from_secs(180);
/// After how long an API server that is not ready is looked at again, at first and at most.
const LOOK_FIRST: Duration = Duration::from_secs(4);
const LOOK_LONGEST: Duration = Duration::from_secs(16);
/// How long a component must run after its start to count as running.
const SETTLED: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "gitVersion")]
    git_version: String,
}

/// A control plane whose API server was started. The others follow once it is ready.
pub struct Begun {
    pod: PodSpec,
    sandbox: Sandbox,
    /// Whether it started just now.
    pub started: bool,
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
        let (ready, _) =
            tokio::join!(self.run_until_ready(session, pod, &sandbox), join_all(ahead));
        // The controller manager would exit while the API does not answer.
        ready?;
        // A job that was cut off may have drained what stood here before.
        let node = &session.ctx.node;
        if !sandbox.fresh || node.generation > node.added {
            self.set_traffic(&session.ctx, Traffic::Ready).await;
        }
        Ok(Sandbox { fresh: false, ..sandbox })
    }

    /// Waits until the API server is ready, and starts it again when it ends meanwhile: a stop that
    /// was taken back may still have told it to end.
    async fn run_until_ready(
        &self,
        session: &NodeSession,
        pod: &PodSpec,
        sandbox: &Sandbox,
    ) -> Result<(), StepError> {
        let standing = Sandbox { fresh: false, ..sandbox.clone() };
        let end = Instant::now() + READY;
        let mut pause = LOOK_FIRST;
        loop {
            match self.wait_until_ready(session, pause).await {
                Err(error) if Instant::now() >= end => return Err(error),
                Err(error) => tracing::debug!(pod = pod.name, error = chain(&error), "not ready"),
                Ok(()) => return Ok(()),
            }
            session.place.ensure_container(&standing, pod, &pod.containers[0]).await?;
            pause = (pause * 2).min(LOOK_LONGEST);
        }
    }

    /// Removes the pod of a node that runs no component.
    async fn remove_control_plane(
        &self,
        session: &NodeSession,
        pod: &PodSpec,
        files: &[FileOp],
    ) -> Result<(), StepError> {
        let place = &session.place;
        let generation = session.ctx.node.generation;
        let standing = place.containers(&pod.identity).await?;
        // One of a later generation is not for this one to end.
        if standing.iter().any(|c| c.name == API_SERVER && c.generation <= generation.0) {
            self.drain(&session.ctx).await;
        }
        place.end_pods_until(&pod.identity, generation, GRACE).await?;
        place.put_for(pod, files).await?;
        Ok(())
    }

    /// Starts the API server unless it runs. None if the node runs no component.
    pub async fn begin_control_plane(
        &self,
        session: &NodeSession,
    ) -> Result<Option<Begun>, StepError> {
        let (pod, files) = control_plane::pod(&session.ctx, &session.secrets())?;
        let Some(first) = pod.containers.first() else { return Ok(None) };
        let sandbox = session.place.prepare(&pod, &files).await?;
        let started = session.place.ensure_container(&sandbox, &pod, first).await?;
        Ok(Some(Begun { pod, sandbox: Sandbox { fresh: false, ..sandbox }, started }))
    }

    /// Waits until the API server is ready.
    pub async fn wait_until_ready(
        &self,
        session: &NodeSession,
        limit: Duration,
    ) -> Result<(), StepError> {
        self.ask(session, "/readyz", limit).await.map(drop)
    }

    /// Starts what waited for the API server. Returns how many started.
    pub async fn finish_control_plane(
        &self,
        session: &NodeSession,
        begun: &Begun,
    ) -> Result<usize, StepError> {
        start_others(session, &begun.pod, &begun.sandbox).await
    }

    /// Waits until the API server answers 200, and returns the body.
    async fn ask(
        &self,
        session: &NodeSession,
        path: &str,
        limit: Duration,
    ) -> Result<String, StepError> {
        let address = session.ctx.address(PortUse::ApiServer)?;
        let ca = format!("{}/pki/ca.crt", control_plane::api_server_dir(&session.ctx));
        Ok(session.place.probe(address, path, &ca, None, limit).await?)
    }

    /// Checks that the wanted version answers.
    async fn check_version(&self, session: &NodeSession) -> Result<(), StepError> {
        let seen = self.ask(session, "/version", READY).await?;
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
