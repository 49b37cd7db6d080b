//! The etcd member of a node.

use super::{Site, StepError, Steps};
use crate::pods::etcd;
use oi_cri::is_outdated;
use oi_events::PortUse;
use std::time::Duration;

const HEALTHY: Duration = Duration::from_secs(30);

impl Steps {
    /// The member runs, is healthy, and votes.
    pub(super) async fn ensure_etcd(&self, site: &Site) -> Result<(), StepError> {
        let joining = self.join(site).await?;
        let (pod, files) = etcd::pod(&site.target, &site.secrets(), &joining)?;
        if is_outdated(&site.client, &pod, &pod.containers[0]).await? {
            // The API server beside it is of no use meanwhile; its own step lets it back.
            self.drain(&site.target).await;
        }
        site.start(&pod, &files).await?;
        let address = site.target.address(PortUse::EtcdClient)?;
        let pki = etcd::pki_dir(&site.target);
        let client =
            (format!("{pki}/healthcheck-client.crt"), format!("{pki}/healthcheck-client.key"));
        let ca = format!("{pki}/ca.crt");
        site.helper.probe(address, "/health", &ca, Some(&client), HEALTHY).await.map(drop)?;
        self.promote(site).await
    }

    /// Files, sandbox and container; returns whether something was started.
    pub async fn start_etcd(
        &self,
        site: &Site,
        joining: &etcd::Joining,
    ) -> Result<bool, StepError> {
        let (pod, files) = etcd::pod(&site.target, &site.secrets(), joining)?;
        site.start(&pod, &files).await
    }
}
