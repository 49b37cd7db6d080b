//! Tunnels, between requests, the state and answers.

use super::{IntoCommand, parse};
use crate::rejected::Rejected;
use oi_domain::{Cluster, Peer, State};
use oi_events::{Command, EnableTunnelV1, TunnelPeer};
use oi_proto::v1;

impl IntoCommand for v1::EnableTunnel {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(EnableTunnelV1 { cluster: parse("cluster", &self.cluster)?, cidr: self.cidr }.into())
    }
}

/// As a message.
pub fn shown(state: &State, cluster: &Cluster) -> Option<v1::Tunnel> {
    let tunnel = cluster.tunnel.as_ref()?;
    let link = |(who, peer): (&TunnelPeer, &Peer)| {
        let (name, control_plane) = match who {
            TunnelPeer::ControlPlane(node) => (node.to_string(), true),
            TunnelPeer::Worker(worker) => (worker.clone(), false),
        };
        let address = peer.address.to_string();
        v1::TunnelLink { name, control_plane, address, since_ms: peer.since_ms }
    };
    Some(v1::Tunnel {
        cidr: tunnel.cidr.clone(),
        hub: state.tunnel_hub(cluster).map(|hub| hub.to_string()).unwrap_or_default(),
        links: tunnel.peers.iter().map(link).collect(),
    })
}
