//! What machines read and write to get a link to the tunnel's hub: where it is, and who has
//! which address. They ask by a ConfigMap of their own, which is taken away when it was read.

use super::join::{BOOTSTRAPPERS, NODES, RBAC, config_map, group, readable};
use super::{Object, Subject};
use oi_events::TunnelPeer;
use oi_tunnel::Key;
use serde_json::{Map, Value, json};

/// Where machines ask, and are answered.
pub const NAMESPACE: &str = "oi-tunnel";
/// The label of what they ask.
pub const ASK: &str = "oi/ask";
/// Where the hub is, in kube-public.
const HUB: &str = "oi-tunnel";
/// ConfigMaps there: those of oi, and asks that were not heard yet.
const MOST: usize = 200;
/// The answers.
const LINKS: &str = "links";

pub fn objects(subject: &Subject, hub_key: &Key) -> Vec<Object> {
    let Some(tunnel) = &subject.cluster.tunnel else { return Vec::new() };
    let both = json!([group(BOOTSTRAPPERS), group(NODES)]);
    let hub = subject.hub.map(|hub| hub.to_string()).unwrap_or_default();
    let about = json!({"cidr": tunnel.cidr, "hub": hub, "hubKey": hub_key.to_string()});
    let mut links = Map::new();
    for (who, peer) in &tunnel.peers {
        if let (TunnelPeer::Worker(worker), Some(key)) = (who, peer.public_key) {
            let link = json!({"address": peer.address, "publicKey": Key(key).to_string()});
            links.insert(worker.clone(), Value::String(link.to_string()));
        }
    }
    let asks =
        json!({"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}]});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "oi:ask"});
    let bound = json!({"roleRef": role, "subjects": both});
    let mut all = vec![
        Object::new("v1", "Namespace", "", NAMESPACE, json!({})),
        // Whoever holds a token may ask, and not without end.
        Object::new(
            "v1",
            "ResourceQuota",
            NAMESPACE,
            "asks",
            json!({"spec": {"hard": {"count/configmaps": MOST.to_string()}}}),
        ),
        config_map("kube-public", HUB, about),
        config_map(NAMESPACE, LINKS, Value::Object(links)),
        Object::new(RBAC, "Role", NAMESPACE, "oi:ask", asks),
        Object::new(RBAC, "RoleBinding", NAMESPACE, "oi:ask", bound),
    ];
    all.extend(readable("kube-public", "oi:vpn", HUB, both.clone()));
    all.extend(readable(NAMESPACE, "oi:links", LINKS, both));
    all
}
