//! Telling the parts of a cluster's tunnel who may have a link, and where the hub is.

use super::{Secrets, StepError, Steps};
use crate::inside::Subject;
use crate::pods::{Target, vpn};
use ipnet::Ipv4Net;
use oi_domain::Node;
use oi_events::NodeName;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// A node that a job works on for longer is told by that job, or the next time.
const PATIENCE: Duration = Duration::from_secs(10);

/// A worker's name, and the addresses of the pods on it.
fn pods_of(node: &Value) -> Option<(String, Vec<Ipv4Net>)> {
    let nets = node["spec"]["podCIDRs"].as_array().into_iter().flatten();
    let nets = nets.filter_map(|net| net.as_str()?.parse().ok()).collect();
    Some((node["metadata"]["name"].as_str()?.to_owned(), nets))
}

impl Steps {
    /// Tells all nodes that are there. One that cannot be told is no reason not to tell the
    /// others.
    pub(super) async fn tell_tunnel(&self, subject: &Subject, nodes: &[Value]) {
        let cluster = &subject.cluster;
        if cluster.vpn.is_none() {
            return;
        }
        let pods = nodes.iter().filter_map(pods_of).collect();
        let part = |n: &Node| n.is_ready() && (vpn::has_hub(n) || vpn::has_link(cluster, n));
        for (name, _) in cluster.staying(part) {
            if let Err(error) = self.tell_node(subject, name, &pods).await {
                let (cluster, error) = (&subject.name, oi_events::chain(&error));
                tracing::warn!(%cluster, node = %name, error, "its part of the tunnel is not told");
            }
        }
    }

    async fn tell_node(
        &self,
        subject: &Subject,
        name: &NodeName,
        pods: &BTreeMap<String, Vec<Ipv4Net>>,
    ) -> Result<(), StepError> {
        let uid = subject.cluster.uid;
        let turn = tokio::time::timeout(PATIENCE, self.nodes.job(uid, name)).await;
        let Ok(_held) = turn else { return Ok(()) };
        let find = |s: &oi_domain::State| Target::find(s, &subject.name, name);
        let target = self.view.read(find).filter(|t| t.cluster.uid == uid && t.node.is_ready());
        let Some(target) = target.filter(|t| !t.hypervisor.is_away()) else { return Ok(()) };
        let key = self.keyring.key(uid).await?;
        let files = vpn::files(&target, &Secrets { target: &target, key: &key }, pods)?;
        let helper = self.hypervisors.helper(&target.hypervisor).await?;
        let told = helper.put(&files).await;
        self.noted(&target.hypervisor, told.map_err(StepError::from)).map(drop)
    }
}
