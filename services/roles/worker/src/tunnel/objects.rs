//! What worker machines read and write to become peers: where the hub is, who has which address,
//! and ConfigMaps with which they ask. A ConfigMap is deleted once it was read.

use crate::addons::{ClusterContext, Object, TemplateError, bootstrappers, nodes, render};
use oi_events::TunnelPeer;
use oi_tunnel::Key;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The namespace in which machines ask and are answered.
pub const NAMESPACE: &str = "oi-tunnel";
/// The label of their requests.
pub const REQUEST: &str = "oi/tunnel-request";

/// The objects, if the cluster has a tunnel.
pub fn objects(cluster: &ClusterContext, hub_key: &Key) -> Result<Vec<Object>, TemplateError> {
    let Some(tunnel) = &cluster.cluster.tunnel else { return Ok(Vec::new()) };
    let mut peers = Map::new();
    for (who, peer) in &tunnel.peers {
        if let (TunnelPeer::Worker(worker), Some(key)) = (who, peer.public_key) {
            let peer = json!({"address": peer.address, "publicKey": Key(key).to_string()});
            peers.insert(worker.clone(), Value::String(peer.to_string()));
        }
    }
    let values = BTreeMap::from([
        ("cidr", json!(tunnel.cidr)),
        ("hub", json!(cluster.hub.map(|hub| hub.to_string()).unwrap_or_default())),
        ("hub_key", json!(hub_key.to_string())),
        ("peers", Value::Object(peers)),
        ("bootstrappers", bootstrappers()),
        ("nodes", nodes()),
    ]);
    render(include_str!("objects.yaml"), &values)
}
