//! The tunnel to worker nodes: a hub beside the ingress, and a link in the pod of each API
//! server, which has that pod's network and so reaches kubelets by their own addresses.

use super::{Files, PodsError, Secrets, Target};
use crate::names::TUNNEL_IMAGE;
use oi_cri::{ContainerSpec, FileOp, Mount, PodSpec, PortMapping};
use oi_domain::{Cluster, Node, Tunnel};
use oi_events::{Component, NodeName, PortUse, Role, TunnelPeer};
use oi_tunnel::{HubConfig, Key, Kind, LinkConfig, PeerConfig, Pods};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The hub's pod among a node's pods, and its container.
pub const POD: &str = "vpn";
/// The link's container.
pub const LINK: &str = "vpn-link";
/// WireGuard's customary port, within the pod.
const PORT: u16 = 51820;
const ETC: &str = "/etc/oi-tunnel";
const CONFIG: &str = "config.json";
const PODS: &str = "pods.json";

/// Whether a node carries a hub.
pub fn has_hub(node: &Node) -> bool {
    node.role == Role::ControlPlaneIngress && node.ports.contains_key(&PortUse::Wireguard)
}

/// Whether a node carries a link.
pub fn has_link(cluster: &Cluster, name: &NodeName, node: &Node) -> bool {
    let peer = TunnelPeer::ControlPlane(name.clone());
    // Where no address was left, it has none.
    let peers = cluster.tunnel.as_ref().is_some_and(|tunnel| tunnel.peers.contains_key(&peer));
    peers && node.components.contains(&Component::ApiServer)
}

/// The private key of a control plane's link: it follows from the hub's, so that none has to
/// be made for each node.
fn link_key(hub: &Key, cluster: &Cluster, name: &NodeName, node: &Node) -> Key {
    let digest = Sha256::new()
        .chain_update(b"oi/vpn/control-plane/v1")
        .chain_update(hub.0)
        .chain_update(cluster.uid.to_string())
        .chain_update(node.added.0.to_le_bytes())
        .chain_update(name.to_string());
    Key(digest.finalize().into())
}

fn json<T: Serialize>(config: &T) -> Vec<u8> {
    // Plain data: it has a JSON form.
    serde_json::to_vec_pretty(config).unwrap_or_default()
}

/// The peers that a hub serves.
fn peers(cluster: &Cluster, tunnel: &Tunnel, hub: &Key) -> Vec<PeerConfig> {
    let one = |(who, peer): (&TunnelPeer, &oi_domain::Peer)| {
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

fn hub_files(target: &Target, secrets: &Secrets<'_>) -> Result<Option<Files>, PodsError> {
    let Some(tunnel) = target.cluster.tunnel.as_ref().filter(|_| has_hub(&target.node)) else {
        return Ok(None);
    };
    let private_key = secrets.tunnel_key()?;
    let peers = peers(&target.cluster, tunnel, &private_key);
    let mut files = Files::new(format!("{}/{POD}", target.dir()));
    files.reread(CONFIG, json(&HubConfig { private_key, listen_port: PORT, peers }));
    Ok(Some(files))
}

fn link_files(target: &Target, secrets: &Secrets<'_>) -> Result<Option<Files>, PodsError> {
    let cluster = &target.cluster;
    let Some(tunnel) =
        cluster.tunnel.as_ref().filter(|_| has_link(cluster, &target.name, &target.node))
    else {
        return Ok(None);
    };
    let hub_key = secrets.tunnel_key()?;
    let peer = tunnel.peers.get(&TunnelPeer::ControlPlane(target.name.clone()));
    let net = tunnel.cidr.parse::<ipnet::Ipv4Net>().ok();
    let address = peer
        .zip(net)
        .and_then(|(peer, net)| ipnet::Ipv4Net::new(peer.address, net.prefix_len()).ok());
    let Some(address) = address else { return Ok(None) };
    let config = LinkConfig {
        private_key: link_key(&hub_key, cluster, &target.name, &target.node),
        address,
        hub_key: hub_key.public(),
        hub: target.hub,
        // API servers ask webhooks and aggregated ones where they run.
        routes: cluster.spec.pod_cidr.parse().into_iter().collect(),
    };
    let mut files = Files::new(format!("{}/{LINK}", target.dir()));
    files.reread(CONFIG, json(&config));
    Ok(Some(files))
}

/// All that a node's part of the tunnel reads, which may change at any time. `pods` has the
/// addresses of pods by worker.
pub fn files(
    target: &Target,
    secrets: &Secrets<'_>,
    pods: &BTreeMap<String, Vec<ipnet::Ipv4Net>>,
) -> Result<Vec<FileOp>, PodsError> {
    let mut hub = hub_files(target, secrets)?;
    if let (Some(hub), Some(tunnel)) = (&mut hub, &target.cluster.tunnel) {
        let host = |(worker, nets): (&String, &Vec<ipnet::Ipv4Net>)| {
            let peer = tunnel.peers.get(&TunnelPeer::Worker(worker.clone()))?;
            Some((peer.address, nets.clone()))
        };
        hub.reread(PODS, json(&pods.iter().filter_map(host).collect::<Pods>()));
    }
    let both = [hub, link_files(target, secrets)?];
    Ok(both.into_iter().flatten().flat_map(|files| files.finish().0).collect())
}

fn container(name: &str, dir: String, verb: &str, files_hash: String) -> ContainerSpec {
    let config = format!("{ETC}/{CONFIG}");
    ContainerSpec {
        name: name.to_owned(),
        image: TUNNEL_IMAGE.to_owned(),
        command: ["oi-tunnel", verb, "--config", &config].map(str::to_owned).to_vec(),
        mounts: vec![Mount::read_only(dir, ETC)],
        files_hash,
        ..ContainerSpec::default()
    }
}

/// The hub's pod and files; none where the node has none.
pub fn hub(
    target: &Target,
    secrets: &Secrets<'_>,
) -> Result<Option<(PodSpec, Vec<FileOp>)>, PodsError> {
    let Some(mut files) = hub_files(target, secrets)? else { return Ok(None) };
    let mut pod = target.pod(POD);
    files.directory(pod.log_directory.clone());
    let (operations, files_hash) = files.finish();
    let host_port = target.port(PortUse::Wireguard)?;
    pod.ports = vec![PortMapping { container_port: PORT, host_port, udp: true }];
    let dir = format!("{}/{POD}", target.dir());
    let mut container = container(POD, dir, "hub", files_hash);
    container.command.extend(["--pods".to_owned(), format!("{ETC}/{PODS}")]);
    pod.containers = vec![container];
    Ok(Some((pod, operations)))
}

/// The link's container and files; none where the node has none.
pub fn link(
    target: &Target,
    secrets: &Secrets<'_>,
) -> Result<Option<(ContainerSpec, Vec<FileOp>)>, PodsError> {
    let Some(files) = link_files(target, secrets)? else { return Ok(None) };
    let (operations, files_hash) = files.finish();
    let dir = format!("{}/{LINK}", target.dir());
    let link = container(LINK, dir, "link", files_hash);
    Ok(Some((ContainerSpec { has_tunnel: true, ..link }, operations)))
}
