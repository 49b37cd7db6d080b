//! What must run on a hypervisor.

use crate::desired::{control_plane, etcd, ingress};
use crate::locks::Part;
use crate::tunnel::pods as tunnel;
use oi_domain::{Cluster, Node, State};
use oi_events::{
    ClusterName, ClusterUid, Component, Generation, HypervisorName, JobKind, NodeName, Role,
};
use std::collections::{BTreeMap, BTreeSet};

/// A pod and its container.
pub type Running = (&'static str, &'static str);

/// A node of which something is ready: all of it, or its member, or what runs beside that.
#[derive(Clone)]
pub struct ReadyNode {
    pub cluster: ClusterName,
    pub uid: ClusterUid,
    pub name: NodeName,
    pub generation: Generation,
    pub role: Role,
    /// The parts that are ready. What a job is still to start is left to it.
    pub parts: Vec<Part>,
    /// Everything of these parts that must run.
    pub must_run: BTreeSet<Running>,
    /// The shared port on which it must be reached.
    pub shared_port: Option<u16>,
}

/// Ready nodes by the labels of their pods: the cluster's uid and the node's name.
pub type ReadyNodes = BTreeMap<(String, String), ReadyNode>;

impl ReadyNode {
    /// The ready nodes on a hypervisor.
    pub fn all_on(state: &State, hypervisor: &HypervisorName) -> ReadyNodes {
        let nodes = state.nodes_on(hypervisor).filter_map(|(cluster, name, n)| {
            let parts = ready_parts(n);
            let c = state.clusters.get(cluster).filter(|_| !parts.is_empty())?;
            Some(ReadyNode {
                cluster: cluster.clone(),
                uid: c.uid,
                name: name.clone(),
                generation: n.generation,
                role: n.role,
                must_run: must_run(c, name, n, &parts),
                parts,
                shared_port: c.shared_port_of(n),
            })
        });
        nodes.map(|node| ((node.uid.to_string(), node.name.to_string()), node)).collect()
    }

    /// Whether the state still wants the node as it was found.
    pub fn is_current(&self, state: &State) -> bool {
        let cluster = state.clusters.get(&self.cluster).filter(|c| c.uid == self.uid);
        let node = cluster.and_then(|c| c.nodes.get(&self.name));
        node.is_some_and(|n| {
            let ready = ready_parts(n);
            n.generation == self.generation && self.parts.iter().all(|part| ready.contains(part))
        })
    }

    /// Whether a part of it is ready.
    pub fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    /// Whether a pod is of a part that is ready.
    pub fn covers(&self, pod: &str) -> bool {
        self.has(match pod {
            etcd::POD => Part::Member,
            etcd::RESTORE => Part::Beside,
            _ => Part::Rest,
        })
    }

    /// Whether something of it starts only once the API server beside it is ready.
    pub fn is_late(&self, (pod, container): &Running) -> bool {
        *pod == control_plane::POD
            && *container != control_plane::API_SERVER
            && self.must_run.contains(&(control_plane::POD, control_plane::API_SERVER))
    }
}

fn ready_parts(node: &Node) -> Vec<Part> {
    let is_ready = |part: &Part| {
        let mut steps = node.steps().iter().filter(|step| match part {
            Part::Member => **step == JobKind::EnsureEtcd,
            Part::Rest => **step != JobKind::EnsureEtcd,
            Part::Beside => false,
        });
        let first = steps.next();
        first.is_some_and(|first| node.done.contains(first))
            && steps.all(|step| node.done.contains(step))
    };
    if node.removing {
        return Vec::new();
    }
    Part::ALL.iter().copied().filter(is_ready).collect()
}

fn must_run(cluster: &Cluster, name: &NodeName, node: &Node, parts: &[Part]) -> BTreeSet<Running> {
    let mut all = BTreeSet::new();
    if parts.contains(&Part::Member) {
        all.insert((etcd::POD, etcd::POD));
    }
    if !parts.contains(&Part::Rest) {
        return all;
    }
    if node.role == Role::ControlPlaneIngress {
        all.insert((ingress::POD, ingress::POD));
    }
    all.extend(node.components.iter().map(|c: &Component| (control_plane::POD, c.as_str())));
    if tunnel::has_hub(node) {
        all.insert((tunnel::HUB, tunnel::HUB));
    }
    if tunnel::has_link(cluster, name, node) {
        all.insert((control_plane::POD, tunnel::LINK));
    }
    all
}
