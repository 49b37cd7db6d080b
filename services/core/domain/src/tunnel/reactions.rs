//! Links of API servers.

use crate::cluster::Cluster;
use oi_events::{ClusterName, Component, Event, TunnelPeer, TunnelPeerAddedV1};

/// Each API server has a link.
pub(crate) fn link_control_planes(cluster: &Cluster, name: &ClusterName) -> Option<Event> {
    let tunnel = cluster.tunnel.as_ref()?;
    let servers = cluster.carriers(Component::ApiServer).into_iter();
    let mut peers = servers.map(|(node, _)| TunnelPeer::ControlPlane(node.clone()));
    let peer = peers.find(|peer| !tunnel.peers.contains_key(peer))?;
    let address = tunnel.free_address()?;
    Some(TunnelPeerAddedV1 { cluster: name.clone(), peer, public_key: None, address }.into())
}
