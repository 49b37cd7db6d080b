//! Writes the peers of a tunnel into the files of running hubs and links.

use super::config::{PodNets, files};
use super::pods::{has_hub, has_link};
use crate::addons::ClusterContext;
use crate::desired::NodeContext;
use crate::place::NodeSession;
use crate::steps::{StepError, Steps};
use ipnet::Ipv4Net;
use oi_domain::Node;
use oi_events::{JobKind, NodeName, PortUse, chain, parsed};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long to wait for a job that holds a node. The next reconciliation tries again.
const LOCK: Duration = Duration::from_secs(10);
/// The size of a node's share of the pods' addresses: kube-controller-manager's default.
const NODE_PREFIX: u8 = 24;

impl Steps {
    /// Writes the peers into the files of all hubs and links. One that fails does not keep the
    /// others from theirs, except for the hub that all links lead to.
    pub async fn roll_out_peers(
        &self,
        cluster: &ClusterContext,
        nodes: &[Value],
    ) -> Result<(), StepError> {
        let c = &cluster.cluster;
        let pods = pod_nets(nodes, &c.spec.pod_cidr);
        let is_hub = |n: &Node| {
            let at = self.view.read(|s| s.reached_at(n, PortUse::Wireguard));
            at.is_some() && at == cluster.hub
        };
        for (name, node) in c.staying(Node::is_ready) {
            if !has_hub(node) && !has_link(c, name, node) {
                continue;
            }
            if let Err(error) = self.roll_out_to(cluster, name, &pods).await {
                if is_hub(node) {
                    return Err(error);
                }
                let (cluster, error) = (&cluster.name, chain(&error));
                tracing::warn!(%cluster, node = %name, error, "peers not rolled out");
            }
        }
        Ok(())
    }

    async fn roll_out_to(
        &self,
        cluster: &ClusterContext,
        name: &NodeName,
        pods: &PodNets,
    ) -> Result<(), StepError> {
        let uid = cluster.cluster.uid;
        let held = tokio::time::timeout(
            LOCK,
            self.node_locks.for_job(JobKind::EnsureControlPlane, uid, name),
        )
        .await;
        let Ok(_held) = held else { return Err(StepError::Busy(name.to_string())) };
        let found = self.view.read(|s| NodeContext::find(s, &cluster.name, name));
        let ready = found.filter(|ctx| ctx.cluster.uid == uid && ctx.node.is_ready());
        let Some(ctx) = ready.filter(|ctx| !ctx.hypervisor.is_away()) else { return Ok(()) };
        let key = self.keyring.key(uid).await?;
        let session = NodeSession { place: self.places.at(&ctx.hypervisor), ctx, key };
        let files = files(&session.ctx, &session.secrets(), pods)?;
        session.put(&files).await?;
        Ok(())
    }
}

/// The addresses of pods by worker. A node may claim anything when it registers: only shares that
/// its controller gives out count, and a share that two nodes claim is the older one's.
fn pod_nets(nodes: &[Value], pod_cidr: &str) -> PodNets {
    let Ok(all) = pod_cidr.parse::<Ipv4Net>() else { return BTreeMap::new() };
    let mut nodes: Vec<&Value> = nodes.iter().collect();
    nodes.sort_by_key(|n| n["metadata"]["creationTimestamp"].as_str().unwrap_or_default());
    let (mut pods, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for node in nodes {
        let Some(name) = node["metadata"]["name"].as_str() else { continue };
        let nets = node["spec"]["podCIDRs"].as_array().into_iter().flatten();
        let nets = nets.filter_map(|net| parsed::<Ipv4Net>(net.as_str()?));
        let is_share = |net: &Ipv4Net| {
            all.contains(net) && net.prefix_len() == NODE_PREFIX && net.trunc() == *net
        };
        let own: Vec<Ipv4Net> = nets.filter(is_share).filter(|net| taken.insert(*net)).collect();
        pods.insert(name.to_owned(), own);
    }
    pods
}
