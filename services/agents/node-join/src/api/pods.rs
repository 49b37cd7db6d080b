//! Pods of a node.

use super::Cluster;
use crate::error::JoinError;
use oi_kube::{Request, Verb, items};
use serde_json::{Value, json};

impl Cluster {
    /// The pods on a node that must be evicted: not those of DaemonSets, nor static or ended ones.
    pub fn pods(&self, node: &str) -> Result<Vec<(String, String)>, JoinError> {
        let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}");
        let list = self.call(&Request::get(path))?.object()?;
        let stays = |pod: &Value| {
            let owners = pod["metadata"]["ownerReferences"].as_array();
            let daemon = owners.is_some_and(|o| o.iter().any(|r| r["kind"] == "DaemonSet"));
            let mirror =
                pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some();
            let ended = ["Succeeded", "Failed"].iter().any(|p| pod["status"]["phase"] == *p);
            daemon || mirror || ended
        };
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let named =
            |pod: &Value| (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
        Ok(items(&list)?.iter().filter(|p| !stays(p)).map(named).collect())
    }

    /// Asks for a pod's eviction. Returns false while its disruption budget does not allow it.
    pub fn evict(&self, namespace: &str, pod: &str) -> Result<bool, JoinError> {
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"namespace": namespace, "name": pod},
        });
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction");
        let reply = self.call(&Request::with(Verb::Post, path, &eviction))?;
        match reply.status {
            404 => Ok(true),
            429 => Ok(false),
            _ => Ok(reply.object().map(|_| true)?),
        }
    }
}
