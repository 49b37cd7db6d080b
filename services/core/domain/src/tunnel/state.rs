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
    #[serde(with = "by_text")]
    pub peers: BTreeMap<TunnelPeer, Peer>,
}

impl Tunnel {
    /// The lowest free address; none where all are taken. The first one is left to the network
    /// itself.
    pub fn free_address(&self) -> Option<Ipv4Addr> {
        // It was checked when it was decided.
        let Ok(net) = self.cidr.parse::<Ipv4Net>() else { return None };
        let taken: BTreeSet<Ipv4Addr> = self.peers.values().map(|p| p.address).collect();
        net.hosts().skip(1).find(|address| !taken.contains(address))
    }
}

/// Peers by their text in JSON and YAML, whose keys are strings. Stored bytes have the peers
/// themselves.
mod by_text {
    use super::{BTreeMap, Deserialize, Peer, Serialize, TunnelPeer};
    use serde::de::Error;
    use serde::{Deserializer, Serializer};

    type Peers = BTreeMap<TunnelPeer, Peer>;

    pub fn serialize<S: Serializer>(peers: &Peers, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            s.collect_map(peers.iter().map(|(who, peer)| (who.to_string(), peer)))
        } else {
            peers.serialize(s)
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Peers, D::Error> {
        if !d.is_human_readable() {
            return Peers::deserialize(d);
        }
        let by_text = BTreeMap::<String, Peer>::deserialize(d)?;
        let read = |(who, peer): (String, Peer)| {
            who.parse::<TunnelPeer>().map(|who| (who, peer)).map_err(D::Error::custom)
        };
        by_text.into_iter().map(read).collect()
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
