//! Telling the parts of a cluster's tunnel who may have a link, and where the hub is.

use super::{Secrets, StepError, Steps};
use crate::addons::Subject;
use crate::pods::{Target, tunnel};
use ipnet::Ipv4Net;
use oi_domain::Node;
use oi_events::{NodeName, PortUse};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A node that a job works on for longer is told the next time.
const PATIENCE: Duration = Duration::from_secs(10);

/// What each node takes of the pods' addresses: kube-controller-manager's default.
const NODE_PREFIX: u8 = 24;

/// Workers, and the addresses of the pods on each. A node may claim anything when it registers:
/// only what its controller gives out counts, and what two claim is the older one's.
fn pods_of(nodes: &[Value], pod_cidr: &str) -> BTreeMap<String, Vec<Ipv4Net>> {
    let Ok(all) = pod_cidr.parse::<Ipv4Net>() else { return BTreeMap::new() };
    let mut nodes: Vec<&Value> = nodes.iter().collect();
    nodes.sort_by_key(|n| n["metadata"]["creationTimestamp"].as_str().unwrap_or_default());
    let (mut pods, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for node in nodes {
        let Some(name) = node["metadata"]["name"].as_str() else { continue };
        let nets = node["spec"]["podCIDRs"].as_array().into_iter().flatten();
        let nets = nets.filter_map(|net| net.as_str()?.parse::<Ipv4Net>().ok());
        let given = |net: &Ipv4Net| {
            all.contains(net) && net.prefix_len() == NODE_PREFIX && net.trunc() == *net
        };
        let own: Vec<Ipv4Net> = nets.filter(given).filter(|net| taken.insert(*net)).collect();
        pods.insert(name.to_owned(), own);
    }
    pods
}

impl Steps {
    /// Tells all nodes that are there. One that cannot be told is no reason not to tell the
    /// others, but for the hub to which all links lead.
    pub(super) async fn tell_tunnel(
        &self,
        subject: &Subject,
        nodes: &[Value],
    ) -> Result<(), StepError> {
        let cluster = &subject.cluster;
        let pods = pods_of(nodes, &cluster.spec.pod_cidr);
        let is_hub = |n: &Node| {
            let at = self.view.read(|s| s.reached_at(n, PortUse::Wireguard));
            at.is_some() && at == subject.hub
        };
        for (name, node) in cluster.staying(Node::is_ready) {
            if !tunnel::has_hub(node) && !tunnel::has_link(cluster, name, node) {
                continue;
            }
            if let Err(error) = self.tell_node(subject, name, &pods).await {
                if is_hub(node) {
                    return Err(error);
                }
                let (cluster, error) = (&subject.name, oi_events::chain(&error));
                tracing::warn!(%cluster, node = %name, error, "its part of the tunnel is not told");
            }
        }
        Ok(())
    }

    async fn tell_node(
        &self,
        subject: &Subject,
        name: &NodeName,
        pods: &BTreeMap<String, Vec<Ipv4Net>>,
    ) -> Result<(), StepError> {
        let uid = subject.cluster.uid;
        let turn = tokio::time::timeout(PATIENCE, self.nodes.job(uid, name)).await;
        let Ok(_held) = turn else { return Err(StepError::Busy(name.to_string())) };
        let find = |s: &oi_domain::State| Target::find(s, &subject.name, name);
        let target = self.view.read(find).filter(|t| t.cluster.uid == uid && t.node.is_ready());
        let Some(target) = target.filter(|t| !t.hypervisor.is_away()) else { return Ok(()) };
        let key = self.keyring.key(uid).await?;
        let files = tunnel::files(&target, &Secrets { target: &target, key: &key }, pods)?;
        let helper = self.hypervisors.helper(&target.hypervisor).await?;
        let told = helper.put(&files).await;
        self.noted(&target.hypervisor, told.map_err(StepError::from)).map(drop)
    }
}
