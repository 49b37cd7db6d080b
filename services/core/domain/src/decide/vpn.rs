//! Decisions about the tunnel between a cluster's worker nodes and its control plane.

use super::{Context, next_generation, settled};
use crate::network::{check_vpn, is_dns_name};
use crate::placement::free_port;
use crate::rejection::Rejection;
use crate::state::{Cluster, State};
use oi_events::{
    ClusterName, Component, EnableVpnV1, Event, NodePortV1, PortUse, PortV1, VpnEnabledV1, VpnPeer,
    VpnPeerAddedV1, VpnPeerRemovedV1,
};
use std::collections::BTreeSet;

/// The name of the hub's private key among a cluster's credentials.
pub const VPN_KEY: &str = "vpn";

pub(super) fn enable(
    state: &State,
    c: &EnableVpnV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cluster = settled(state, &c.cluster)?;
    if cluster.inside.is_none() {
        return Err(Rejection::NotForWorkers(c.cluster.clone()));
    }
    match &cluster.vpn {
        Some(vpn) if vpn.cidr == c.cidr => return Ok(Vec::new()),
        Some(vpn) => {
            return Err(Rejection::Invalid {
                field: "VPN CIDR",
                value: c.cidr.clone(),
                problem: format!("it is {} already, and stays so", vpn.cidr),
            });
        }
        None => check_vpn(state, cluster, &c.cidr)?,
    }
    let (mut ports, mut taken) = (Vec::new(), BTreeSet::new());
    for (name, node) in cluster.ingresses() {
        let port = free_port(state, &c.cluster, &node.hypervisor, &taken)?;
        taken.insert(port);
        let port = PortV1 { port_use: PortUse::Wireguard, port };
        ports.push(NodePortV1 { node: name.clone(), port });
    }
    let (cluster_name, cidr) = (c.cluster.clone(), c.cidr.clone());
    let credential = context.mint.secret(cluster.uid, VPN_KEY)?;
    let generation = next_generation(state);
    Ok(vec![VpnEnabledV1 { cluster: cluster_name, generation, cidr, credential, ports }.into()])
}

/// Each API server has a link.
pub(super) fn link_control_planes(cluster: &Cluster, name: &ClusterName) -> Option<Event> {
    let vpn = cluster.vpn.as_ref()?;
    let servers = cluster.carriers(Component::ApiServer).into_iter();
    let mut peers = servers.map(|(node, _)| VpnPeer::ControlPlane(node.clone()));
    let peer = peers.find(|peer| !vpn.peers.contains_key(peer))?;
    let address = vpn.free_address()?;
    Some(VpnPeerAddedV1 { cluster: name.clone(), peer, public_key: None, address }.into())
}

/// A worker gets a link once; whoever asks again with another key is somebody else.
pub(super) fn link(
    state: &State,
    name: &ClusterName,
    worker: &str,
    public_key: [u8; 32],
) -> Vec<Event> {
    let Some(cluster) = state.clusters.get(name) else { return Vec::new() };
    let Some(vpn) = &cluster.vpn else { return Vec::new() };
    let peer = VpnPeer::Worker(worker.to_owned());
    let known = vpn.peers.contains_key(&peer)
        || vpn.peers.values().any(|p| p.public_key == Some(public_key));
    match vpn.free_address() {
        Some(address) if !known && is_dns_name(worker) => {
            let (cluster, public_key) = (name.clone(), Some(public_key));
            vec![VpnPeerAddedV1 { cluster, peer, public_key, address }.into()]
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
    let peer = VpnPeer::Worker(worker.to_owned());
    let vpn = state.clusters.get(name).and_then(|c| c.vpn.as_ref());
    let known = vpn.and_then(|vpn| vpn.peers.get(&peer));
    if known.is_none_or(|p| p.public_key != Some(public_key)) {
        return Vec::new();
    }
    vec![VpnPeerRemovedV1 { cluster: name.clone(), peer }.into()]
}
