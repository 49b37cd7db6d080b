//! The pods of a tunnel: a hub beside each ingress, and a link in the pod of each API server.
//! A link shares the network of its pod, so that the API server reaches kubelets by their own
//! addresses.

use super::config::{self, CONFIG, PODS, PORT};
use crate::desired::names::TUNNEL_IMAGE;
use crate::desired::{
    ContainerSpec, DesiredError, FileOp, Mount, NodeContext, PodAndFiles, PortMapping, Secrets,
};
use oi_domain::{Cluster, Node};
use oi_events::{Component, NodeName, PortUse, Role, TunnelPeer};

/// The name of the hub's pod among the pods of a node, and of its container. The names of
/// running pods and directories stay what they are: another name would be a restart.
pub const HUB: &str = "tunnel";
/// The link's container.
pub const LINK: &str = "tunnel-link";
const ETC: &str = "/etc/oi-tunnel";

/// Whether a node runs a hub.
pub fn has_hub(node: &Node) -> bool {
    node.role == Role::ControlPlaneIngress && node.ports.contains_key(&PortUse::Wireguard)
}

/// Whether a node runs a link: its API server has an address in the tunnel. There is none left
/// for it when the tunnel is full.
pub fn has_link(cluster: &Cluster, name: &NodeName, node: &Node) -> bool {
    let peer = TunnelPeer::ControlPlane(name.clone());
    let peers = cluster.tunnel.as_ref().is_some_and(|tunnel| tunnel.peers.contains_key(&peer));
    peers && node.components.contains(&Component::ApiServer)
}

/// The hub's pod, if the node has a hub.
pub fn hub(ctx: &NodeContext, secrets: &Secrets<'_>) -> Result<Option<PodAndFiles>, DesiredError> {
    let Some(mut files) = config::hub_files(ctx, secrets)? else { return Ok(None) };
    let mut pod = ctx.pod(HUB);
    files.directory(pod.log_directory.clone());
    let (operations, files_hash) = files.finish();
    let host_port = ctx.port(PortUse::Wireguard)?;
    pod.ports = vec![PortMapping { container_port: PORT, host_port, udp: true }];
    let dir = format!("{}/{HUB}", ctx.dir());
    let mut container = container(HUB, dir, "hub", files_hash);
    container.command.extend(["--pods".to_owned(), format!("{ETC}/{PODS}")]);
    pod.containers = vec![container];
    Ok(Some((pod, operations)))
}

/// The link's container, if the node has a link.
pub fn link(
    ctx: &NodeContext,
    secrets: &Secrets<'_>,
) -> Result<Option<(ContainerSpec, Vec<FileOp>)>, DesiredError> {
    let Some(files) = config::link_files(ctx, secrets)? else { return Ok(None) };
    let (operations, files_hash) = files.finish();
    let dir = format!("{}/{LINK}", ctx.dir());
    let link = container(LINK, dir, "link", files_hash);
    Ok(Some((ContainerSpec { has_tunnel: true, ..link }, operations)))
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
