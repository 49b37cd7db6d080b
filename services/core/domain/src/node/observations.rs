//! What workers see of nodes.

use crate::node::Node;
use crate::state::State;
use oi_events::{ClusterName, Event, Generation, MemberBrokenV1, NodeName, PodRestartedV1};
use std::sync::Arc;

/// A pod of a node had died and was started again.
pub(crate) fn restarted(
    state: &State,
    cluster: &ClusterName,
    node: &NodeName,
    generation: Generation,
    what: &str,
    reason: &str,
) -> Vec<Event> {
    let current = state.clusters.get(cluster).and_then(|c| c.nodes.get(node));
    if current.is_none_or(|n| n.generation != generation) {
        return Vec::new();
    }
    let (cluster, node) = (cluster.clone(), node.clone());
    vec![PodRestartedV1 { cluster, node, what: what.to_owned(), reason: reason.to_owned() }.into()]
}

/// A node's etcd member does not keep running.
pub(crate) fn member_broken(
    state: &State,
    cluster: &ClusterName,
    node: &NodeName,
    generation: Generation,
    reason: &str,
) -> Vec<Event> {
    let current = state.clusters.get(cluster).and_then(|c| c.nodes.get(node));
    let known = |n: &Arc<Node>| n.broken || n.removing || n.generation != generation;
    if current.is_none_or(known) {
        return Vec::new();
    }
    let (cluster, node, reason) = (cluster.clone(), node.clone(), reason.to_owned());
    vec![MemberBrokenV1 { cluster, node, reason }.into()]
}
