//! What is known of a node.

use crate::backup::RestoreStage;
use crate::backup::jobs::owed_by_restore;
use crate::cluster::{Cluster, ClusterPhase};
use oi_events::{
    Component, Credential, Generation, HypervisorName, Issuer, JobKind, KubernetesVersion,
    NodeName, PortUse, Role,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A member of a cluster, placed on a hypervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it does.
    pub role: Role,
    /// Where it is.
    pub hypervisor: HypervisorName,
    /// The position at which it was added: its age.
    pub added: Generation,
    /// Rises with each decision that changes what must run.
    pub generation: Generation,
    /// Host ports it holds.
    pub ports: BTreeMap<PortUse, u16>,
    /// Its components' certificates, by name.
    pub credentials: Arc<BTreeMap<String, Credential>>,
    /// Steps that are done for this generation.
    pub done: BTreeSet<JobKind>,
    /// It is going away.
    pub removing: bool,
    /// How often a part of it was started again on the spot.
    pub restarts: u32,
    /// Its etcd member was in the cluster once: it finds its way back by its own data.
    pub joined: bool,
    /// The node that goes once this one is ready.
    pub replaces: Option<NodeName>,
    /// The nodes whose place it took, one after the other, the latest first: who asked for one of
    /// those has this one.
    pub predecessors: Vec<NodeName>,
    /// What it is to run beside its etcd member, if it has one.
    pub components: BTreeSet<Component>,
    /// The releases that its components are to run.
    pub versions: Versions,
    /// Its etcd member was seen not to keep running.
    pub broken: bool,
    /// When each of its certificates is to be renewed, Unix milliseconds.
    pub renew_at_ms: BTreeMap<String, u64>,
    /// Who its API server was told says who users are.
    pub issuers: Arc<Vec<Issuer>>,
}

impl Node {
    /// Whether its etcd member is in the cluster, is to stay, and is not known to be broken.
    pub fn is_voter(&self) -> bool {
        self.role == Role::ControlPlane && self.joined && !self.removing && !self.broken
    }

    /// Whether it has certificates of its own.
    pub fn is_certified(&self) -> bool {
        !self.credentials.is_empty()
    }

    /// The steps that make it ready.
    pub fn steps(&self) -> &'static [JobKind] {
        match self.role {
            Role::ControlPlane => &[JobKind::EnsureEtcd, JobKind::EnsureControlPlane],
            Role::ControlPlaneIngress => &[JobKind::EnsureIngress],
            Role::ApiServer => &[JobKind::EnsureControlPlane],
        }
    }

    /// Whether all its steps are done.
    pub fn is_ready(&self) -> bool {
        !self.removing && self.steps().iter().all(|s| self.done.contains(s))
    }
}

/// The releases that a node's components are to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// kube-apiserver.
    pub api_server: KubernetesVersion,
    /// kube-controller-manager.
    pub controller_manager: KubernetesVersion,
    /// kube-scheduler.
    pub scheduler: KubernetesVersion,
}

impl Versions {
    /// All of one release.
    pub fn all(version: &KubernetesVersion) -> Versions {
        let version = || version.clone();
        Versions { api_server: version(), controller_manager: version(), scheduler: version() }
    }

    /// The release of one component.
    pub fn of(&self, component: Component) -> &KubernetesVersion {
        match component {
            Component::ApiServer => &self.api_server,
            Component::ControllerManager => &self.controller_manager,
            Component::Scheduler => &self.scheduler,
        }
    }

    pub(crate) fn set(&mut self, component: Component, version: KubernetesVersion) {
        *match component {
            Component::ApiServer => &mut self.api_server,
            Component::ControllerManager => &mut self.controller_manager,
            Component::Scheduler => &mut self.scheduler,
        } = version;
    }
}

/// What a node runs that nothing else was said of.
pub(crate) fn default_components(role: Role) -> &'static [Component] {
    match role {
        Role::ControlPlane => &Component::ALL,
        Role::ControlPlaneIngress => &[],
        Role::ApiServer => &[Component::ApiServer],
    }
}

/// The level from which on a node replaces only an older one.
const SUCCESSORS: u16 = 4;

impl Cluster {
    /// Nodes that are to stay and are `wanted`, by role, then by age.
    pub fn staying(&self, wanted: impl Fn(&Node) -> bool) -> Vec<(&NodeName, &Node)> {
        let mut nodes: Vec<_> = self.nodes.iter().map(|(name, n)| (name, &**n)).collect();
        nodes.retain(|(_, n)| !n.removing && wanted(n));
        nodes.sort_by_key(|(_, n)| (n.role, n.added));
        nodes
    }

    /// Control-plane nodes that are to stay, the oldest first.
    pub fn control_planes(&self) -> Vec<(&NodeName, &Node)> {
        self.staying(|n| n.role == Role::ControlPlane)
    }

    /// Whether it is the oldest control-plane node that is to stay.
    pub fn is_oldest(&self, name: &NodeName) -> bool {
        self.control_planes().first().is_some_and(|(oldest, _)| *oldest == name)
    }

    /// Nodes that are to stay and to run a component, members first, then by age.
    pub fn carriers(&self, component: Component) -> Vec<(&NodeName, &Node)> {
        self.staying(|n| n.components.contains(&component))
    }

    /// The node whose place a node takes, by the rules of a log's level. A later node of the old
    /// one's name has nothing to do with that.
    pub(crate) fn replaced_by(&self, node: &Node, level: u16) -> Option<(&NodeName, &Node)> {
        let (name, old) = self.nodes.get_key_value(node.replaces.as_ref()?)?;
        (old.added < node.added || level < SUCCESSORS).then_some((name, &**old))
    }

    /// Ingress nodes that are to stay, the oldest first.
    pub fn ingresses(&self) -> Vec<(&NodeName, &Node)> {
        self.staying(|n| n.role == Role::ControlPlaneIngress)
    }

    /// Whether a node that goes has an etcd member that must leave first.
    pub fn owes_leave(&self, node: &Node) -> bool {
        node.removing
            && node.role == Role::ControlPlane
            && self.phase != ClusterPhase::Deleting
            // A restore begins a new membership, without a way back in a log below level 4.
            && self.restore.as_ref().is_none_or(|r| r.stage != RestoreStage::AtOnce)
            && !node.done.contains(&JobKind::LeaveCluster)
    }

    /// Whether nothing of a node runs, nor is to run before something else is decided or done.
    pub fn is_at_rest(&self, name: &NodeName) -> bool {
        let waits =
            |n: &Node| self.hibernated || n.removing || owed_by_restore(self, name, n).is_some();
        let stopped = self.nodes.get(name).filter(|n| n.done.contains(&JobKind::StopNode));
        stopped.is_some_and(|n| waits(n))
    }

    /// Whether each node that is to stay, and that a restore does not do without, has all its
    /// steps done, and there is at least one of each role.
    pub fn is_converged(&self) -> bool {
        !self.control_planes().is_empty()
            && !self.ingresses().is_empty()
            && self
                .nodes
                .iter()
                .all(|(name, n)| n.removing || n.is_ready() || self.is_given_up(name))
    }

    /// The same, and no node leaves: the time for a next step that touches one.
    pub fn is_settled(&self) -> bool {
        self.is_converged() && self.nodes.values().all(|n| !n.removing)
    }
}
