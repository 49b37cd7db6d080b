//! What events about nodes change.

use crate::fold::by_name;
use crate::hypervisor::Orphan;
use crate::job::events::forget_node_failures;
use crate::node::{Node, Versions, default_components};
use crate::state::State;
use crate::tunnel::events::unlink;
use oi_events::{
    ClusterName, Component, Credential, Generation, JobKind, NodeEvent, NodeName, NodeOrphanedV1,
};
use std::sync::Arc;

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &NodeEvent) {
    match event {
        NodeEvent::NodeAdded(e) => {
            let time_ms = state.time_ms;
            if let Some(c) = state.cluster_mut(&e.cluster) {
                // Who asks for that name from here on means this one.
                for other in c.nodes.values_mut() {
                    if other.predecessors.contains(&e.name) {
                        Arc::make_mut(other).predecessors.retain(|name| *name != e.name);
                    }
                }
                let versions = Versions::all(&c.spec.kubernetes_version);
                let issuers = c.issuers.clone();
                c.nodes.insert(
                    e.name.clone(),
                    Arc::new(Node {
                        role: e.role,
                        hypervisor: e.hypervisor.clone(),
                        added: e.generation,
                        generation: e.generation,
                        ports: e.ports.iter().map(|p| (p.port_use, p.port)).collect(),
                        credentials: by_name(&e.credentials),
                        done: Default::default(),
                        removing: false,
                        restarts: 0,
                        joined: false,
                        replaces: None,
                        predecessors: Vec::new(),
                        components: default_components(e.role).iter().copied().collect(),
                        versions,
                        issuers,
                        broken: false,
                        renew_at_ms: e
                            .credentials
                            .iter()
                            .filter_map(|c| Some((c.name.clone(), renew_at_ms(c, time_ms)?)))
                            .collect(),
                    }),
                );
            }
        }
        NodeEvent::CertificateReplaced(e) => {
            let renew_at_ms = renew_at_ms(&e.credential, state.time_ms);
            if let Some(n) = state.node_mut(&e.cluster, &e.node) {
                n.renew_at_ms.extend(renew_at_ms.map(|at| (e.credential.name.clone(), at)));
                Arc::make_mut(&mut n.credentials)
                    .insert(e.credential.name.clone(), e.credential.clone());
                n.generation = e.generation;
                // What a restore has done is not done again.
                n.done.retain(|step| RESTORED.contains(step));
            }
            forget_node_failures(state, &e.cluster, &e.node);
        }
        NodeEvent::NodeChanged(e) => change_node(state, &e.cluster, &e.node, e.generation),
        NodeEvent::NodeReplacementStarted(e) => {
            let Some(c) = state.cluster_mut(&e.cluster) else { return };
            let mut predecessors = vec![e.node.clone()];
            if let Some(old) = c.nodes.get(&e.node) {
                predecessors.extend(old.predecessors.iter().cloned());
            }
            // The first name is the one that documents say; of those between, old ones go.
            if predecessors.len() > PREDECESSORS {
                predecessors.remove(PREDECESSORS - 1);
            }
            if let Some(n) = c.nodes.get_mut(&e.by).map(Arc::make_mut) {
                n.replaces = Some(e.node.clone());
                n.predecessors = predecessors;
            }
        }
        NodeEvent::NodeOrphaned(e) => orphan_node(state, e),
        NodeEvent::ComponentsChanged(e) => {
            let Some(c) = state.cluster_mut(&e.cluster) else { return };
            if let Some(n) = c.nodes.get_mut(&e.node).map(Arc::make_mut) {
                if !n.components.contains(&Component::ApiServer) {
                    n.issuers = c.issuers.clone();
                }
                for component in e.components.iter().filter(|c| !n.components.contains(c)) {
                    n.versions.set(*component, c.spec.kubernetes_version.clone());
                }
                n.components = e.components.iter().copied().collect();
                n.generation = e.generation;
                n.done.remove(&JobKind::EnsureControlPlane);
            }
            forget_node_failures(state, &e.cluster, &e.node);
        }
        NodeEvent::MemberBroken(e) => {
            if let Some(n) = state.node_mut(&e.cluster, &e.node) {
                n.broken = true;
            }
        }
        NodeEvent::NodeRemovalStarted(e) => {
            if let Some(n) = state.node_mut(&e.cluster, &e.name) {
                n.removing = true;
                n.generation = e.generation;
                n.done.clear();
            }
            forget_node_failures(state, &e.cluster, &e.name);
        }
        NodeEvent::NodeRemoved(e) => {
            if let Some(c) = state.cluster_mut(&e.cluster) {
                c.nodes.remove(&e.name);
                unlink(c, &e.name);
            }
            forget_node_failures(state, &e.cluster, &e.name);
        }
        NodeEvent::PodRestarted(e) => {
            if let Some(n) = state.node_mut(&e.cluster, &e.node) {
                n.restarts = n.restarts.saturating_add(1);
            }
        }
    }
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &NodeEvent) -> String {
    match event {
        NodeEvent::NodeAdded(e) => format!("{} node placed on {}", e.role.as_str(), e.hypervisor),
        NodeEvent::CertificateReplaced(e) => {
            format!("certificate {} replaced", e.credential.name)
        }
        NodeEvent::NodeChanged(_) => "to be brought up to date".to_owned(),
        NodeEvent::NodeRemovalStarted(_) => "removal started".to_owned(),
        NodeEvent::NodeRemoved(_) => "removed".to_owned(),
        NodeEvent::NodeReplacementStarted(e) => {
            format!("to be replaced by {}", e.by)
        }
        NodeEvent::NodeOrphaned(_) => {
            "left behind on its hypervisor, which is away: cleared when it is back".to_owned()
        }
        NodeEvent::ComponentsChanged(e) => {
            let all: Vec<_> = e.components.iter().map(|c| c.as_str()).collect();
            let all = if all.is_empty() { "none of them".to_owned() } else { all.join(", ") };
            format!("components to run: {all}")
        }
        NodeEvent::MemberBroken(e) => {
            format!("etcd member broken: {}", e.reason)
        }
        NodeEvent::PodRestarted(e) => {
            format!("{} started again: {}", e.what, e.reason)
        }
    }
}

/// So many nodes whose place a node took are remembered.
const PREDECESSORS: usize = 32;

/// Steps of a restore that come before those of a start.
const RESTORED: [JobKind; 2] = [JobKind::StopNode, JobKind::RestoreEtcd];

/// Two thirds into a certificate's life; none where it has no end.
fn renew_at_ms(credential: &Credential, now_ms: u64) -> Option<u64> {
    let life = credential.not_after_ms.checked_sub(now_ms)?;
    (credential.not_after_ms > 0).then(|| now_ms + life / 3 * 2)
}

/// What must run on a node is another now.
pub(crate) fn change_node(
    state: &mut State,
    cluster: &ClusterName,
    node: &NodeName,
    generation: Generation,
) {
    if let Some(n) = state.node_mut(cluster, node) {
        n.generation = generation;
        n.done.clear();
    }
    forget_node_failures(state, cluster, node);
}

/// The same of all nodes of a cluster.
pub(crate) fn change_nodes(state: &mut State, cluster: &ClusterName, generation: Generation) {
    let Some(c) = state.clusters.get(cluster) else { return };
    let nodes: Vec<NodeName> = c.nodes.keys().cloned().collect();
    for node in nodes {
        change_node(state, cluster, &node, generation);
    }
}

fn orphan_node(state: &mut State, e: &NodeOrphanedV1) {
    let Some(c) = state.cluster_mut(&e.cluster) else { return };
    let Some(node) = c.nodes.remove(&e.name) else { return };
    unlink(c, &e.name);
    let orphan = Orphan {
        cluster: e.cluster.clone(),
        cluster_uid: c.uid,
        node: e.name.clone(),
        ports: node.ports.clone(),
        generation: e.generation,
    };
    if let Some(h) = state.hypervisor_mut(&node.hypervisor) {
        h.orphans.push(orphan);
    }
    forget_node_failures(state, &e.cluster, &e.name);
}
