//! The files of hubs and links of the control plane.

use super::pods::{HUB, LINK, has_hub, has_link};
use crate::desired::{DesiredError, FileOp, Files, NodeContext, Secrets};
use ipnet::Ipv4Net;
use oi_domain::{Cluster, Node, Peer, Tunnel};
use oi_events::{NodeName, TunnelPeer, parsed};
use oi_tunnel::{HubConfig, Key, Kind, LinkConfig, PeerConfig, Pods};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// WireGuard's customary port, in the hub's pod.
pub const PORT: u16 = 51820;
pub const CONFIG: &str = "config.json";
pub const PODS: &str = "pods.json";

/// The addresses of pods, by worker.
pub type PodNets = BTreeMap<String, Vec<Ipv4Net>>;

/// All files of a node's hub or link. They may change at any time, and are reloaded.
pub fn files(
    ctx: &NodeContext,
    secrets: &Secrets<'_>,
    pods: &PodNets,
) -> Result<Vec<FileOp>, DesiredError> {
    let mut hub = hub_files(ctx, secrets)?;
    if let (Some(hub), Some(tunnel)) = (&mut hub, &ctx.cluster.tunnel) {
        let host = |(worker, nets): (&String, &Vec<Ipv4Net>)| {
            let peer = tunnel.peers.get(&TunnelPeer::Worker(worker.clone()))?;
            Some((peer.address, nets.clone()))
        };
        hub.reloaded(PODS, json(&pods.iter().filter_map(host).collect::<Pods>())?);
    }
    let both = [hub, link_files(ctx, secrets)?];
    Ok(both.into_iter().flatten().flat_map(|files| files.finish().0).collect())
}

/// The hub's configuration, if the node has a hub.
pub fn hub_files(ctx: &NodeContext, secrets: &Secrets<'_>) -> Result<Option<Files>, DesiredError> {
    let Some(tunnel) = ctx.cluster.tunnel.as_ref().filter(|_| has_hub(&ctx.node)) else {
        return Ok(None);
    };
    let private_key = secrets.tunnel_key()?;
    let peers = peers(&ctx.cluster, tunnel, &private_key);
    let mut files = Files::new(format!("{}/{HUB}", ctx.dir()));
    files.reloaded(CONFIG, json(&HubConfig { private_key, listen_port: PORT, peers })?);
    Ok(Some(files))
}

/// The link's configuration, if the node has a link.
pub fn link_files(ctx: &NodeContext, secrets: &Secrets<'_>) -> Result<Option<Files>, DesiredError> {
    let cluster = &ctx.cluster;
    let linked = |_: &&Tunnel| has_link(cluster, &ctx.name, &ctx.node);
    let Some(tunnel) = cluster.tunnel.as_ref().filter(linked) else { return Ok(None) };
    let hub_key = secrets.tunnel_key()?;
    let Some(peer) = tunnel.peers.get(&TunnelPeer::ControlPlane(ctx.name.clone())) else {
        return Ok(None);
    };
    let no_range = || DesiredError::Cidr(tunnel.cidr.clone());
    let net: Ipv4Net = tunnel.cidr.parse().map_err(|_| no_range())?;
    let address = Ipv4Net::new(peer.address, net.prefix_len()).map_err(|_| no_range())?;
    let config = LinkConfig {
        private_key: link_key(&hub_key, cluster, &ctx.name, &ctx.node),
        address,
        hub_key: hub_key.public(),
        hub: ctx.hub,
        // API servers call webhooks and aggregated API servers at the addresses of their pods.
        // Those of IPv6 are reached otherwise.
        routes: parsed(&cluster.spec.pod_cidr).into_iter().collect(),
    };
    let mut files = Files::new(format!("{}/{LINK}", ctx.dir()));
    files.reloaded(CONFIG, json(&config)?);
    Ok(Some(files))
}

/// The peers that a hub accepts.
fn peers(cluster: &Cluster, tunnel: &Tunnel, hub: &Key) -> Vec<PeerConfig> {
    let one = |(who, peer): (&TunnelPeer, &Peer)| {
        let (public_key, kind) = match who {
            TunnelPeer::Worker(_) => (Key(peer.public_key?), Kind::Worker),
            TunnelPeer::ControlPlane(name) => {
                let key = link_key(hub, cluster, name, cluster.nodes.get(name)?);
                (key.public(), Kind::ControlPlane)
            }
        };
        Some(PeerConfig { public_key, address: peer.address, kind })
    };
    tunnel.peers.iter().filter_map(one).collect()
}

/// The private key of a control plane's link. It is derived from the hub's key, so that no node
/// needs a key of its own.
fn link_key(hub: &Key, cluster: &Cluster, name: &NodeName, node: &Node) -> Key {
    let digest = Sha256::new()
        .chain_update(b"oi/tunnel/control-plane/v1")
        .chain_update(hub.0)
        .chain_update(cluster.uid.to_string())
        .chain_update(node.added.0.to_le_bytes())
        .chain_update(name.to_string());
    Key(digest.finalize().into())
}

fn json<T: Serialize>(config: &T) -> Result<Vec<u8>, DesiredError> {
    Ok(serde_json::to_vec_pretty(config)?)
}
