//! The way in to a cluster's API.

use super::{Site, StepError, Steps};
use crate::hypervisors::Turn;
use crate::pods::Target;
use crate::pods::{ingress, tunnel};
use oi_cri::Helper;
use oi_events::{Component, PortUse};
use std::time::{Duration, Instant};

const READY: Duration = Duration::from_secs(30);
/// How long it waits for the first API server.
const PATIENCE: Duration = Duration::from_secs(900);
/// How often haproxy is asked, with pauses that grow by this much.
const RELOADS: u32 = 10;
const RELOAD: Duration = Duration::from_millis(50);

impl Steps {
    /// haproxy runs, and the API answers through it.
    pub(super) async fn ensure_ingress(&self, site: &Site) -> Result<(), StepError> {
        {
            let _turn = self.turn(site, Turn::Ingress).await?;
            self.start_ingress(site).await?;
        }
        let address = site.target.address(PortUse::ApiServer)?;
        let ca = format!("{}/ca.crt", ingress::dir(&site.target));
        let end = Instant::now() + PATIENCE;
        loop {
            match site.helper.probe(address, "/readyz", &ca, None, READY).await {
                Ok(_) => return Ok(()),
                // No API server is ready yet, and none may be for a while where many are
                // started at once: that is not this ingress' fault.
                Err(error) if Instant::now() < end && !self.serves(&site.target) => {
                    tracing::debug!(%error, "waiting for an API server");
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether an API server of the cluster is known to be ready.
    fn serves(&self, target: &Target) -> bool {
        self.view.read(|s| {
            let cluster = s.clusters.get(&target.cluster_name);
            cluster
                .is_none_or(|c| c.carriers(Component::ApiServer).iter().any(|(_, n)| n.is_ready()))
        })
    }

    /// Files, sandbox and container, and the port that it shares with others; returns whether
    /// something was started.
    pub async fn start_ingress(&self, site: &Site) -> Result<bool, StepError> {
        // First what others may no longer have: this node may have got its port.
        let shared = site.target.cluster.shared_port();
        let mut started = self.pass_through(&site.target.hypervisor, shared).await?;
        let (pod, files) = ingress::pod(&site.target, &site.secrets())?;
        let new = site.start(&pod, &files).await?;
        started |= new;
        if !new {
            let (console, mark) = (ingress::console(&site.target), ingress::mark(&site.target)?);
            reload(&site.helper, &console, &mark).await?;
        }
        if let Some((pod, files)) = tunnel::hub(&site.target, &site.secrets())? {
            started |= site.start(&pod, &files).await?;
        }
        Ok(started)
    }
}

/// haproxy runs with the configuration of that mark. It is told to read it again, rather than
/// started again: no connection is lost.
pub(super) async fn reload(helper: &Helper, console: &str, mark: &str) -> Result<(), StepError> {
    let mut said = String::new();
    for attempt in 0..RELOADS {
        match helper.console(console, "@1 show info").await {
            Ok(info) if info.contains(mark) => return Ok(()),
            Ok(_) => said = helper.console(console, "reload").await?,
            // Started a moment ago: its console comes next.
            Err(error) => said = error.to_string(),
        }
        tokio::time::sleep(RELOAD * (attempt + 1)).await;
    }
    Err(StepError::Ingress(said))
}
