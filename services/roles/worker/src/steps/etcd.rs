//! The etcd member of a node.

use super::{Site, StepError, Steps};
use crate::names;
use crate::pods::{control_plane, etcd};
use oi_cri::{CONTAINER_RUNNING, GRACE, is_outdated};
use oi_events::PortUse;
use std::time::Duration;

const HEALTHY: Duration = Duration::from_secs(30);

impl Steps {
    /// The member runs, is healthy, and votes.
    pub(super) async fn ensure_etcd(&self, site: &Site) -> Result<(), StepError> {
        let joining = self.join(site).await?;
        let (pod, files) = etcd::pod(&site.target, &site.secrets(), &joining)?;
        if is_outdated(&site.client, &pod, &pod.containers[0]).await? {
            self.stop_api_server(site).await?;
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

    /// The API server beside a member that is to be replaced is of no use meanwhile, and its
    /// watches would keep the member from a clean end, with which it hands over the lead. The
    /// next step starts it again.
    async fn stop_api_server(&self, site: &Site) -> Result<(), StepError> {
        let target = &site.target;
        let pod = names::pod_labels(target.cluster.uid, &target.name, control_plane::POD);
        for container in site.client.containers(&pod).await? {
            if container.metadata.is_none_or(|m| m.name != control_plane::API_SERVER) {
                continue;
            }
            if container.state == CONTAINER_RUNNING {
                self.drain(target).await;
            }
            site.client.remove_container(&container.id, GRACE).await?;
        }
        Ok(())
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
