//! What is known of a tunnel.

use crate::cluster::Cluster;
use crate::node::Node;
use crate::state::State;
use ipnet::Ipv4Net;
use oi_events::{PortUse, TunnelPeer};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};

/// The tunnel between a cluster's worker nodes and its control plane. The hub's private key
/// is among the cluster's credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// Addresses in it, an IPv4 CIDR.
    pub cidr: String,
    /// Who has a link to its hub.
    pub peers: BTreeMap<TunnelPeer, Peer>,
}

impl Tunnel {
    /// The lowest free address; none where all are taken. The first one is left to the network
    /// itself.
    pub fn free_address(&self) -> Option<Ipv4Addr> {
        let net: Ipv4Net = self.cidr.parse().ok()?;
        let taken: BTreeSet<Ipv4Addr> = self.peers.values().map(|p| p.address).collect();
        net.hosts().skip(1).find(|address| !taken.contains(address))
    }
}

/// A link to a hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The key that was made on a worker; that of a control plane follows from the hub's.
    pub public_key: Option<[u8; 32]>,
    /// Its address in the tunnel.
    pub address: Ipv4Addr,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
}

impl State {
    /// Where the hub of a cluster's tunnel is: at the oldest ingress that runs on a machine that
    /// answers, or the oldest where none does. All links lead to one, or they would not meet.
    pub fn tunnel_hub(&self, cluster: &Cluster) -> Option<SocketAddr> {
        cluster.tunnel.as_ref()?;
        let ingresses = cluster.ingresses();
        let answers = |n: &Node| self.hypervisors.get(&n.hypervisor).is_some_and(|h| !h.is_away());
        let ready = ingresses.iter().find(|(_, n)| n.is_ready() && answers(n));
        let ready = ready.or(ingresses.first());
        ready.and_then(|(_, n)| self.reached_at(n, PortUse::Wireguard))
    }
}
