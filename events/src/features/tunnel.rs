//! Records of tunnels to worker nodes.

use super::node::NodePortV1;
use crate::command::Command;
use crate::credential::Credential;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::ids::{ClusterName, Generation, IdError, NodeName};
use crate::records;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Who has a link to a cluster's hub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TunnelPeer {
    /// The API server of a node.
    ControlPlane(NodeName),
    /// A worker node, by its name in the cluster.
    Worker(String),
}

impl TunnelPeer {
    /// A control plane's peer is a node of ours, a worker is not.
    fn about(&self, cluster: &ClusterName) -> About {
        match self {
            TunnelPeer::ControlPlane(node) => About::node(cluster, node),
            TunnelPeer::Worker(_) => About::cluster(cluster),
        }
    }
}

/// `controlplane/NODE` or `worker/NAME`.
impl fmt::Display for TunnelPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TunnelPeer::ControlPlane(node) => write!(f, "controlplane/{node}"),
            TunnelPeer::Worker(worker) => write!(f, "worker/{worker}"),
        }
    }
}

impl FromStr for TunnelPeer {
    type Err = IdError;
    fn from_str(text: &str) -> Result<TunnelPeer, IdError> {
        match text.split_once('/') {
            Some(("controlplane", node)) => Ok(TunnelPeer::ControlPlane(node.parse()?)),
            Some(("worker", worker)) => Ok(TunnelPeer::Worker(worker.to_owned())),
            _ => Err(IdError::Peer(text.to_owned())),
        }
    }
}

/// Asks that worker nodes be linked to a cluster's control plane through a tunnel, so that
/// they may be behind NAT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnableTunnelV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Addresses in the tunnel, an IPv4 CIDR.
    pub cidr: String,
}

/// Worker nodes are linked to a cluster's control plane through a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelEnabledV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The generation of the nodes that are to know of it.
    pub generation: Generation,
    /// Addresses in the tunnel, CIDR.
    pub cidr: String,
    /// The hub's private key: 32 random bytes, sealed.
    pub credential: Credential,
    /// Where the hub listens, on ingresses that are there already.
    pub ports: Vec<NodePortV1>,
}

/// Somebody may have a link to a cluster's hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelPeerAddedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Who.
    pub peer: TunnelPeer,
    /// The key that was made on a worker; none for control planes, whose keys follow from
    /// the hub's.
    pub public_key: Option<[u8; 32]>,
    /// Its address in the tunnel.
    pub address: Ipv4Addr,
}

/// Somebody may no longer have a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelPeerRemovedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Who.
    pub peer: TunnelPeer,
}

/// Which objects of a cluster without a tunnel need one is another set than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelNeededV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The objects, for example `APIService v1beta1.metrics.k8s.io`: its API servers are to call
    /// a Service for each, and cannot. Empty where none is left.
    pub objects: Vec<String>,
}

records! {
    /// Requests about tunnels to worker nodes.
    TunnelCommand in Command::Tunnel, CommandFacts {
        EnableTunnel(c) = 32 [; 1 => EnableTunnelV1] {
            about: About::cluster(&c.cluster),
            level: 3,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::Standing,
        },
    }
}

records! {
    /// Facts about tunnels to worker nodes.
    TunnelEvent in Event::Tunnel, EventFacts<'_> {
        TunnelEnabled(e) = 148 [; 1 => TunnelEnabledV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Addons,
            restarts: Restarts::ApiServers,
            credentials: std::slice::from_ref(&e.credential),
        },
        TunnelPeerAdded(e) = 149 [; 1 => TunnelPeerAddedV1] {
            about: e.peer.about(&e.cluster),
            effect: Effect::Addons,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        TunnelPeerRemoved(e) = 150 [; 1 => TunnelPeerRemovedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Addons,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        TunnelNeeded(e) = 155 [; 1 => TunnelNeededV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
    }
}
