//! What must run on a hypervisor.

use crate::desired::{control_plane, etcd, ingress};
use crate::tunnel::pods as tunnel;
use oi_domain::{Cluster, Node, State};
use oi_events::{ClusterName, ClusterUid, Generation, HypervisorName, NodeName, Role};
use std::collections::{BTreeMap, BTreeSet};

/// A node that is ready.
pub struct ReadyNode {
    pub cluster: ClusterName,
    pub uid: ClusterUid,
    pub name: NodeName,
    pub generation: Generation,
    /// Pod and container of everything that must run.
    pub must_run: BTreeSet<(&'static str, &'static str)>,
    /// The shared port on which it must be reached.
    pub shared_port: Option<u16>,
}

/// Ready nodes by the labels of their pods: the cluster's uid and the node's name.
pub type ReadyNodes = BTreeMap<(String, String), ReadyNode>;

impl ReadyNode {
    /// The ready nodes on a hypervisor.
    pub fn all_on(state: &State, hypervisor: &HypervisorName) -> ReadyNodes {
        let ready = state.nodes_on(hypervisor).filter(|(_, _, n)| n.is_ready());
        let nodes = ready.filter_map(|(cluster, name, n)| {
            let c = state.clusters.get(cluster)?;
            Some(ReadyNode {
                cluster: cluster.clone(),
                uid: c.uid,
                name: name.clone(),
                generation: n.generation,
                must_run: must_run(c, name, n),
                shared_port: c.shared_port_of(n),
            })
        });
        nodes.map(|node| ((node.uid.to_string(), node.name.to_string()), node)).collect()
    }

    /// Whether the state still wants the node as it was found.
    pub fn is_current(&self, state: &State) -> bool {
        let cluster = state.clusters.get(&self.cluster).filter(|c| c.uid == self.uid);
        let node = cluster.and_then(|c| c.nodes.get(&self.name));
        node.is_some_and(|n| n.is_ready() && n.generation == self.generation)
    }

    /// Whether the node has an etcd member.
    pub fn is_member(&self) -> bool {
        self.must_run.iter().any(|(pod, _)| *pod == etcd::POD)
    }
}

fn must_run(
    cluster: &Cluster,
    name: &NodeName,
    node: &Node,
) -> BTreeSet<(&'static str, &'static str)> {
    let own = match node.role {
        Role::ControlPlane => Some((etcd::POD, etcd::POD)),
        Role::ControlPlaneIngress => Some((ingress::POD, ingress::POD)),
        Role::ApiServer => None,
    };
    let components = node.components.iter().map(|c| (control_plane::POD, c.as_str()));
    let hub = tunnel::has_hub(node).then_some((tunnel::HUB, tunnel::HUB));
    let link = tunnel::has_link(cluster, name, node).then_some((control_plane::POD, tunnel::LINK));
    own.into_iter().chain(components).chain(hub).chain(link).collect()
}
