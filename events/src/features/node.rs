//! Records of the nodes of clusters.

use crate::command::Command;
use crate::credential::Credential;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::ids::{ClusterName, Generation, HypervisorName, NodeName};
use crate::records;
use serde::{Deserialize, Serialize};

/// What a node does for its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// etcd, API server, controller manager and scheduler.
    ControlPlane,
    /// haproxy in front of the API servers.
    ControlPlaneIngress,
    /// An API server without an etcd member of its own; where asked for, a controller
    /// manager or a scheduler beside it.
    ApiServer,
}

impl Role {
    /// The role's name in flags and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::ControlPlane => "controlplane",
            Role::ControlPlaneIngress => "controlplane-ingress",
            Role::ApiServer => "apiserver",
        }
    }
}

/// A part of a control plane that has its own version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Component {
    /// kube-apiserver.
    ApiServer,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
}

impl Component {
    /// All of them.
    pub const ALL: [Component; 3] =
        [Component::ApiServer, Component::ControllerManager, Component::Scheduler];

    /// The component's name as Kubernetes has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Component::ApiServer => "kube-apiserver",
            Component::ControllerManager => "kube-controller-manager",
            Component::Scheduler => "kube-scheduler",
        }
    }
}

/// What a host port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PortUse {
    /// The API server, or the ingress in front of it.
    ApiServer,
    /// etcd for its clients.
    EtcdClient,
    /// etcd for its peers.
    EtcdPeer,
    /// The hub of the tunnel to worker nodes, UDP.
    Wireguard,
}

/// A host port was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortV1 {
    /// What for.
    pub port_use: PortUse,
    /// The port on the hypervisor.
    pub port: u16,
}

/// A host port was taken for a node that is there already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePortV1 {
    /// The node.
    pub node: NodeName,
    /// The port.
    pub port: PortV1,
}

/// Asks for one more node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddNodeV1 {
    /// The cluster it is for.
    pub cluster: ClusterName,
    /// Its name in the cluster.
    pub name: NodeName,
    /// What it does.
    pub role: Role,
    /// Where to put it; none to let placement choose.
    pub hypervisor: Option<HypervisorName>,
}

/// Asks that a node be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveNodeV1 {
    /// The cluster it is in.
    pub cluster: ClusterName,
    /// Which one.
    pub name: NodeName,
}

/// Asks that a node be replaced by a new one elsewhere: the new one first, then the
/// old one goes. Deciders enter it for nodes of a hypervisor that stays away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaceNodeV1 {
    /// The cluster it is in.
    pub cluster: ClusterName,
    /// Which one.
    pub name: NodeName,
}

/// Asks for other numbers of components; etcd is not touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleClusterV1 {
    /// Which cluster.
    pub name: ClusterName,
    /// How many API servers; none to leave them as they are.
    pub api_servers: Option<u32>,
    /// How many controller managers; at most as many as API servers.
    pub controller_managers: Option<u32>,
    /// How many schedulers; at most as many as API servers.
    pub schedulers: Option<u32>,
}

/// Asks that a node's certificates be renewed that are due. Entered by deciders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewCertificatesV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
}

/// A node has a place, ports and identities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAddedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Its name.
    pub name: NodeName,
    /// What it does.
    pub role: Role,
    /// Where it was placed.
    pub hypervisor: HypervisorName,
    /// Its first generation.
    pub generation: Generation,
    /// Host ports taken on that hypervisor.
    pub ports: Vec<PortV1>,
    /// Certificates of its components, private parts sealed.
    pub credentials: Vec<Credential>,
}

/// What must run on a node changed: its files and pods are looked at again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeChangedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// The node's generation from here on.
    pub generation: Generation,
}

/// A node's certificate was replaced; the component reads it anew by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateReplacedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// The node's generation from here on.
    pub generation: Generation,
    /// The certificate under the name that it replaces.
    pub credential: Credential,
}

/// A node is to run other components than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentsChangedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// What it is to run beside its etcd member, if it has one.
    pub components: Vec<Component>,
    /// The node's generation from here on.
    pub generation: Generation,
}

/// A new node is to take another's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReplacementStartedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node that goes.
    pub node: NodeName,
    /// The node that comes.
    pub by: NodeName,
}

/// A node is going away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRemovalStartedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub name: NodeName,
    /// Its generation from here on.
    pub generation: Generation,
}

/// Nothing is left of a node; its ports are free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRemovedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub name: NodeName,
}

/// A node is no longer its cluster's, but its hypervisor is away: what is left there
/// is owed until it is back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeOrphanedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub name: NodeName,
    /// Names the work that is owed there.
    pub generation: Generation,
}

/// A dead part of a node was started again on the spot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRestartedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// Pod and container.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// A node's etcd member was seen not to keep running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberBrokenV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// What its end looked like.
    pub reason: String,
}

records! {
    /// Requests about the nodes of clusters.
    NodeCommand in Command::Node, CommandFacts {
        AddNode(c) = 5 [; 1 => AddNodeV1] {
            about: About::node(&c.cluster, &c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: true,
            keys: Keys::Standing,
        },
        RemoveNode(c) = 6 [; 1 => RemoveNodeV1] {
            about: About::node(&c.cluster, &c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
        },
        ReplaceNode(c) = 12 [; 1 => ReplaceNodeV1] {
            about: About::node(&c.cluster, &c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::Standing,
        },
        ScaleCluster(c) = 20 [; 1 => ScaleClusterV1] {
            about: About::cluster(&c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: true,
            keys: Keys::Standing,
        },
        RenewCertificates(c) = 19 [; 1 => RenewCertificatesV1] {
            about: About::node(&c.cluster, &c.node),
            level: 1,
            asked_by: AskedBy::Oi,
            adds_work: false,
            keys: Keys::Standing,
        },
    }
}

records! {
    /// Facts about the nodes of clusters.
    NodeEvent in Event::Node, EventFacts<'_> {
        NodeAdded(e) = 109 [; 1 => NodeAddedV1] {
            about: About::node(&e.cluster, &e.name).on(&e.hypervisor),
            effect: Effect::Routes,
            restarts: Restarts::Nothing,
            credentials: &e.credentials,
        },
        NodeChanged(e) = 111 [; 1 => NodeChangedV1] {
            about: About::node(&e.cluster, &e.node),
            effect: Effect::Routes,
            restarts: Restarts::WithNewTrust,
            credentials: &[],
        },
        CertificateReplaced(e) = 110 [; 1 => CertificateReplacedV1] {
            about: About::node(&e.cluster, &e.node),
            effect: Effect::Routes,
            restarts: Restarts::of_certificate(&e.credential),
            credentials: std::slice::from_ref(&e.credential),
        },
        ComponentsChanged(e) = 130 [; 1 => ComponentsChangedV1] {
            about: About::node(&e.cluster, &e.node),
            effect: Effect::Routes,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        NodeReplacementStarted(e) = 120 [; 1 => NodeReplacementStartedV1] {
            about: About::node(&e.cluster, &e.node),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        NodeRemovalStarted(e) = 112 [; 1 => NodeRemovalStartedV1] {
            about: About::node(&e.cluster, &e.name),
            effect: Effect::Routes,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        NodeRemoved(e) = 113 [; 1 => NodeRemovedV1] {
            about: About::node(&e.cluster, &e.name),
            effect: Effect::Routes,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        NodeOrphaned(e) = 121 [; 1 => NodeOrphanedV1] {
            about: About::node(&e.cluster, &e.name),
            effect: Effect::Routes,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        PodRestarted(e) = 118 [; 1 => PodRestartedV1] {
            about: About::node(&e.cluster, &e.node),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        MemberBroken(e) = 132 [; 1 => MemberBrokenV1] {
            about: About::node(&e.cluster, &e.node),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
    }
}
