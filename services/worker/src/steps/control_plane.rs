//! API server, controller manager and scheduler of a node.

use super::{Site, StepError, Steps};
use crate::pods::control_plane::{self, API_SERVER};
use oi_cri::{PodSpec, Sandbox, ensure_container, ensure_sandbox};
use oi_events::PortUse;
use std::time::Duration;

const READY: Duration = Duration::from_secs(60);

impl Steps {
    /// All three run, and the API server says that it is ready.
    pub(super) async fn ensure_control_plane(&self, site: &Site) -> Result<(), StepError> {
        let (pod, sandbox, _) = self.start_api_server(site).await?;
        self.wait_for_api(site).await?;
        // The controller manager gives up where the API does not answer yet.
        start_others(site, &pod, &sandbox).await.map(drop)
    }

    /// Everything that must run, started where it does not; how many were.
    pub async fn restart_control_plane(&self, site: &Site) -> Result<usize, StepError> {
        let (pod, sandbox, started) = self.start_api_server(site).await?;
        if started {
            self.wait_for_api(site).await?;
        }
        Ok(usize::from(started) + start_others(site, &pod, &sandbox).await?)
    }

    async fn start_api_server(&self, site: &Site) -> Result<(PodSpec, Sandbox, bool), StepError> {
        let (pod, files) = control_plane::pod(&site.target, &site.secrets())?;
        let images = pod.containers.iter().map(|c| site.client.ensure_image(&c.image));
        let images = futures::future::try_join_all(images);
        let (sandbox, _, ()) = tokio::try_join!(
            async { Ok(ensure_sandbox(&site.client, &pod).await?) },
            async { Ok::<_, StepError>(images.await?) },
            site.put(&files),
        )?;
        let (_, started) =
            ensure_container(&site.client, &sandbox, &pod, &pod.containers[0]).await?;
        Ok((pod, sandbox, started))
    }

    async fn wait_for_api(&self, site: &Site) -> Result<(), StepError> {
        let address = site.target.address(PortUse::ApiServer)?;
        let ca = format!("{}/pki/ca.crt", control_plane::api_server_dir(&site.target));
        Ok(site.helper.probe(address, "/readyz", &ca, None, READY).await?)
    }
}

async fn start_others(site: &Site, pod: &PodSpec, sandbox: &Sandbox) -> Result<usize, StepError> {
    let others = pod.containers.iter().filter(|c| c.name != API_SERVER);
    let started = others.map(|c| ensure_container(&site.client, sandbox, pod, c));
    let started = futures::future::try_join_all(started).await?;
    Ok(started.iter().filter(|(_, started)| *started).count())
}
