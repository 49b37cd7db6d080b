//! What events about tunnels change.

use crate::cluster::Cluster;
use crate::node::Node;
use crate::node::events::change_node;
use crate::state::State;
use crate::tunnel::{Peer, Tunnel};
use oi_events::{Component, NodeName, NodePortV1, Role, TunnelEnabledV1, TunnelEvent, TunnelPeer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &TunnelEvent) {
    match event {
        TunnelEvent::TunnelEnabled(e) => enable_tunnel(state, e),
        TunnelEvent::TunnelPeerAdded(e) => {
            let since_ms = state.time_ms;
            if let Some(tunnel) = state.cluster_mut(&e.cluster).and_then(|c| c.tunnel.as_mut()) {
                let peer = Peer { public_key: e.public_key, address: e.address, since_ms };
                tunnel.peers.insert(e.peer.clone(), peer);
            }
        }
        TunnelEvent::TunnelPeerRemoved(e) => {
            if let Some(tunnel) = state.cluster_mut(&e.cluster).and_then(|c| c.tunnel.as_mut()) {
                tunnel.peers.remove(&e.peer);
            }
        }
        TunnelEvent::TunnelNeeded(e) => {
            if let Some(c) = state.cluster_mut(&e.cluster) {
                c.needs_tunnel.clone_from(&e.objects);
            }
        }
    }
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &TunnelEvent) -> String {
    match event {
        TunnelEvent::TunnelEnabled(e) => {
            format!("a tunnel to its worker nodes, with addresses of {}", e.cidr)
        }
        TunnelEvent::TunnelPeerAdded(e) => {
            let text = format!("has a link to the tunnel's hub, with address {}", e.address);
            match &e.peer {
                TunnelPeer::ControlPlane(_) => text,
                TunnelPeer::Worker(worker) => format!("worker {worker} {text}"),
            }
        }
        TunnelEvent::TunnelPeerRemoved(e) => {
            let who = match &e.peer {
                TunnelPeer::ControlPlane(name) => name.to_string(),
                TunnelPeer::Worker(worker) => format!("worker {worker}"),
            };
            format!("{who} has no link to the tunnel's hub any more")
        }
        TunnelEvent::TunnelNeeded(e) if e.objects.is_empty() => {
            "nothing in it needs a tunnel any more".to_owned()
        }
        TunnelEvent::TunnelNeeded(e) => format!(
            "its API servers reach no Services without a tunnel, so these do not work: {}; `oi cluster tunnel {} --cidr 10.254.0.0/16` makes one",
            e.objects.join(", "),
            e.cluster
        ),
    }
}

/// A node that is gone has no link.
pub(crate) fn unlink(cluster: &mut Cluster, node: &NodeName) {
    if let Some(tunnel) = &mut cluster.tunnel {
        tunnel.peers.remove(&TunnelPeer::ControlPlane(node.clone()));
    }
}

fn enable_tunnel(state: &mut State, e: &TunnelEnabledV1) {
    let Some(c) = state.cluster_mut(&e.cluster) else { return };
    c.needs_tunnel.clear();
    c.tunnel = Some(Tunnel { cidr: e.cidr.clone(), peers: BTreeMap::new() });
    let credential = e.credential.clone();
    Arc::make_mut(&mut c.credentials).insert(credential.name.clone(), credential);
    for NodePortV1 { node, port } in &e.ports {
        if let Some(node) = c.nodes.get_mut(node).map(Arc::make_mut) {
            node.ports.insert(port.port_use, port.port);
        }
    }
    let concerned = |n: &Node| {
        n.role == Role::ControlPlaneIngress || n.components.contains(&Component::ApiServer)
    };
    let nodes: Vec<NodeName> =
        c.staying(concerned).into_iter().map(|(name, _)| name.clone()).collect();
    for node in nodes {
        change_node(state, &e.cluster, &node, e.generation);
    }
}
