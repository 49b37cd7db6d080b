//! Decisions about the tunnel between a cluster's worker nodes and its control plane.

use super::{Context, next_generation, settled};
use crate::network::{check_tunnel, is_dns_name};
use crate::placement::free_port;
use crate::rejection::Rejection;
use crate::state::{Cluster, State};
use oi_events::{
    ClusterName, Component, EnableTunnelV1, Event, NodePortV1, PortUse, PortV1, TunnelEnabledV1,
    TunnelPeer, TunnelPeerAddedV1, TunnelPeerRemovedV1,
};
use std::collections::BTreeSet;

/// The name of the hub's private key among a cluster's credentials.
pub const TUNNEL_KEY: &str = "vpn";

pub(super) fn enable(
    state: &State,
    c: &EnableTunnelV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cluster = settled(state, &c.cluster)?;
    if cluster.addons.is_none() {
        return Err(Rejection::NotForWorkers(c.cluster.clone()));
    }
    match &cluster.tunnel {
        Some(tunnel) if tunnel.cidr == c.cidr => return Ok(Vec::new()),
        Some(tunnel) => {
            return Err(Rejection::Invalid {
                field: "VPN CIDR",
                value: c.cidr.clone(),
                problem: format!("it is {} already, and stays so", tunnel.cidr),
            });
        }
        None => check_tunnel(state, cluster, &c.cidr)?,
    }
    let (mut ports, mut taken) = (Vec::new(), BTreeSet::new());
    for (name, node) in cluster.ingresses() {
        let port = free_port(state, &c.cluster, &node.hypervisor, &taken)?;
        taken.insert(port);
        let port = PortV1 { port_use: PortUse::Wireguard, port };
        ports.push(NodePortV1 { node: name.clone(), port });
    }
    let (cluster_name, cidr) = (c.cluster.clone(), c.cidr.clone());
    let credential = context.mint.secret(cluster.uid, TUNNEL_KEY)?;
    let generation = next_generation(state);
    Ok(vec![TunnelEnabledV1 { cluster: cluster_name, generation, cidr, credential, ports }.into()])
}

/// Each API server has a link.
pub(super) fn link_control_planes(cluster: &Cluster, name: &ClusterName) -> Option<Event> {
    let tunnel = cluster.tunnel.as_ref()?;
    let servers = cluster.carriers(Component::ApiServer).into_iter();
    let mut peers = servers.map(|(node, _)| TunnelPeer::ControlPlane(node.clone()));
    let peer = peers.find(|peer| !tunnel.peers.contains_key(peer))?;
    let address = tunnel.free_address()?;
    Some(TunnelPeerAddedV1 { cluster: name.clone(), peer, public_key: None, address }.into())
}

/// A worker gets a link once; whoever asks again with another key is somebody else.
pub(super) fn link(
    state: &State,
    name: &ClusterName,
    worker: &str,
    public_key: [u8; 32],
) -> Vec<Event> {
    let Some(cluster) = state.clusters.get(name) else { return Vec::new() };
    let Some(tunnel) = &cluster.tunnel else { return Vec::new() };
    let peer = TunnelPeer::Worker(worker.to_owned());
    let known = tunnel.peers.contains_key(&peer)
        || tunnel.peers.values().any(|p| p.public_key == Some(public_key));
    match tunnel.free_address() {
        Some(address) if !known && is_dns_name(worker) => {
            let (cluster, public_key) = (name.clone(), Some(public_key));
            vec![TunnelPeerAddedV1 { cluster, peer, public_key, address }.into()]
        }
        _ => Vec::new(),
    }
}

pub(super) fn unlink(
    state: &State,
    name: &ClusterName,
    worker: &str,
    public_key: [u8; 32],
) -> Vec<Event> {
    let peer = TunnelPeer::Worker(worker.to_owned());
    let tunnel = state.clusters.get(name).and_then(|c| c.tunnel.as_ref());
    let known = tunnel.and_then(|tunnel| tunnel.peers.get(&peer));
    if known.is_none_or(|p| p.public_key != Some(public_key)) {
        return Vec::new();
    }
    vec![TunnelPeerRemovedV1 { cluster: name.clone(), peer }.into()]
}
