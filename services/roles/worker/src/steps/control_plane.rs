//! API server, controller manager and scheduler of a node.

use super::traffic::Traffic;
use super::{Site, StepError, Steps};
use crate::pods::Target;
use crate::pods::control_plane::{self, API_SERVER};
use futures::future::join_all;
use oi_cri::{
    FileOp, GRACE, PodSpec, Sandbox, ensure_container, is_outdated, prepare_container,
    remove_others,
};
use oi_events::PortUse;
use serde::Deserialize;
use std::time::Duration;

/// Long, for many may start at once on a machine.
const READY: Duration = Duration::from_secs(180);

/// How long requests that an API server has in hand may take before it is replaced.
const DRAINED: Duration = Duration::from_secs(2);
/// How long a component that was started anew must run to count as running.
const SETTLED: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Version {
    #[serde(rename = "gitVersion")]
    git_version: String,
}

impl Steps {
    /// Its components run, and nothing else; the API server says that it is ready.
    pub(super) async fn ensure_control_plane(&self, site: &Site) -> Result<(), StepError> {
        let (pod, files) = control_plane::pod(&site.target, &site.secrets())?;
        if pod.containers.is_empty() {
            return self.without_control_plane(site, &pod, &files).await;
        }
        let sandbox = site.prepare(&pod, &files).await?;
        if !sandbox.fresh {
            if is_outdated(&site.client, &pod, &pod.containers[0]).await? {
                self.drain(&site.target).await;
            }
            remove_others(&site.client, &pod).await?;
        }
        ensure_container(&site.client, &sandbox, &pod, &pod.containers[0]).await?;
        // What waits for the API is made meanwhile. Where that fails, it fails again, and
        // is told, when it is to start.
        let others = pod.containers.iter().filter(|c| c.name != API_SERVER);
        let ahead = others.map(|c| prepare_container(&site.client, &sandbox, &pod, c));
        let (ready, _) = tokio::join!(self.wait_for(site, "/readyz"), join_all(ahead));
        // The controller manager gives up where the API does not answer yet.
        ready?;
        if !sandbox.fresh {
            self.set_traffic(&site.target, Traffic::Ready).await;
        }
        let sandbox = Sandbox { fresh: false, ..sandbox };
        let started = start_others(site, &pod, &sandbox).await?;
        self.check_version(site).await?;
        if started > 0 && site.target.cluster.upgrade.is_some() {
            // It must not only start: it must not end again.
            tokio::time::sleep(SETTLED).await;
            if start_others(site, &pod, &sandbox).await? > 0 {
                return Err(StepError::Unsettled);
            }
        }
        Ok(())
    }

    /// No component is to run here.
    async fn without_control_plane(
        &self,
        site: &Site,
        pod: &PodSpec,
        files: &[FileOp],
    ) -> Result<(), StepError> {
        if !site.client.containers(&pod.identity).await?.is_empty() {
            self.drain(&site.target).await;
        }
        self.end_pods(&site.target.hypervisor, &pod.identity, GRACE).await?;
        site.helper.put(files).await?;
        Ok(())
    }

    /// Nothing new is sent to the API server, and what it has in hand can end.
    pub(super) async fn drain(&self, target: &Target) {
        self.set_traffic(target, Traffic::Drain).await;
        tokio::time::sleep(DRAINED).await;
    }

    /// Everything that must run, started where it does not; how many were.
    pub async fn restart_control_plane(&self, site: &Site) -> Result<usize, StepError> {
        let (pod, files) = control_plane::pod(&site.target, &site.secrets())?;
        if pod.containers.is_empty() {
            return Ok(0);
        }
        let sandbox = site.prepare(&pod, &files).await?;
        let (_, started) =
            ensure_container(&site.client, &sandbox, &pod, &pod.containers[0]).await?;
        if started {
            self.wait_for(site, "/readyz").await?;
        }
        Ok(usize::from(started) + start_others(site, &pod, &sandbox).await?)
    }

    /// What the API server answers once it says 200.
    async fn wait_for(&self, site: &Site, path: &str) -> Result<String, StepError> {
        let address = site.target.address(PortUse::ApiServer)?;
        let ca = format!("{}/pki/ca.crt", control_plane::api_server_dir(&site.target));
        Ok(site.helper.probe(address, path, &ca, None, READY).await?)
    }

    /// What answers is what was asked for.
    async fn check_version(&self, site: &Site) -> Result<(), StepError> {
        let seen = self.wait_for(site, "/version").await?;
        let seen: Version = serde_json::from_str(&seen).map_err(StepError::Version)?;
        let wanted = site.target.node.versions.api_server.to_string();
        if seen.git_version == wanted {
            return Ok(());
        }
        Err(StepError::OtherVersion { seen: seen.git_version, wanted })
    }
}

/// One after the other: a new cluster waits for its controller manager first.
async fn start_others(site: &Site, pod: &PodSpec, sandbox: &Sandbox) -> Result<usize, StepError> {
    let mut count = 0;
    for container in pod.containers.iter().filter(|c| c.name != API_SERVER) {
        let (_, started) = ensure_container(&site.client, sandbox, pod, container).await?;
        count += usize::from(started);
    }
    Ok(count)
}
