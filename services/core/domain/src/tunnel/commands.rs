//! Decisions about the tunnel between a cluster's worker nodes and its control plane.

use crate::cluster::Cluster;
use crate::decide::Context;
use crate::guards::{next_generation, settled};
use crate::hypervisor::Hypervisor;
use crate::placement::free_port;
use crate::rejection::Rejection;
use crate::state::State;
use crate::validate::{is_dns_name, overlap, parse_cidr};
use ipnet::IpNet;
use oi_events::{
    ClusterName, EnableTunnelV1, Event, NodePortV1, PortUse, PortV1, TUNNEL_NEEDED_OBJECTS,
    TunnelCommand, TunnelEnabledV1, TunnelNeededV1, TunnelPeer, TunnelPeerAddedV1,
    TunnelPeerRemovedV1,
};
use std::collections::BTreeSet;

/// The name of the hub's private key among a cluster's credentials. Stored: it never changes.
pub const TUNNEL_KEY: &str = "vpn";

/// Links of worker nodes to a cluster: as many as Kubernetes has nodes.
const WORKERS: usize = 5000;

/// The level from which on that is the limit.
const LIMITED: u16 = 4;

/// Decides a command.
pub(crate) fn decide(
    state: &State,
    command: &TunnelCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match command {
        TunnelCommand::EnableTunnel(c) => enable(state, c, context),
    }
}

fn enable(
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
                field: "tunnel CIDR",
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

/// The addresses of a tunnel are a cluster's own, and enough of them.
fn check_tunnel(state: &State, cluster: &Cluster, cidr: &str) -> Result<(), Rejection> {
    const FIELD: &str = "tunnel CIDR";
    let net = parse_cidr(FIELD, cidr)?;
    if !matches!(net, IpNet::V4(_)) || !(8..=28).contains(&net.prefix_len()) {
        let problem = "use an IPv4 prefix of 8 to 28 bits: each node takes an address";
        let (value, problem) = (cidr.to_owned(), problem.to_owned());
        return Err(Rejection::Invalid { field: FIELD, value, problem });
    }
    let overlap_with = |b_field: String, b: String| {
        Err(Rejection::Overlap { a_field: FIELD, a: cidr.to_owned(), b_field, b })
    };
    for (field, other) in
        [("pod CIDR", &cluster.spec.pod_cidr), ("service CIDR", &cluster.spec.service_cidr)]
    {
        if overlap(&net, &parse_cidr(field, other)?) {
            return overlap_with(field.to_owned(), other.clone());
        }
    }
    let contains = |h: &Hypervisor| net.contains(&h.spec.address);
    match state.hypervisors.iter().find(|(_, h)| contains(h)) {
        Some((name, h)) => {
            overlap_with(format!("the address of hypervisor {name}"), h.spec.address.to_string())
        }
        None => Ok(()),
    }
}

/// A worker gets a link once; whoever asks again with another key is somebody else.
pub(crate) fn link(
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
    let full = state.level() >= LIMITED && tunnel.peers.len() >= WORKERS;
    match tunnel.free_address() {
        Some(address) if !known && is_dns_name(worker) && !full => {
            let (cluster, public_key) = (name.clone(), Some(public_key));
            vec![TunnelPeerAddedV1 { cluster, peer, public_key, address }.into()]
        }
        _ => Vec::new(),
    }
}

pub(crate) fn unlink(
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

/// What needs a tunnel is recorded where that is another set, of a cluster that has none.
pub(crate) fn needed(state: &State, name: &ClusterName, objects: &[String]) -> Vec<Event> {
    let without = state.clusters.get(name).filter(|c| c.tunnel.is_none());
    let Some(cluster) = without else { return Vec::new() };
    let sorted: BTreeSet<&String> = objects.iter().collect();
    let objects: Vec<String> = sorted.into_iter().take(TUNNEL_NEEDED_OBJECTS).cloned().collect();
    if cluster.needs_tunnel == objects {
        return Vec::new();
    }
    vec![TunnelNeededV1 { cluster: name.clone(), objects }.into()]
}
