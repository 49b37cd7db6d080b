//! Nodes.

use super::Cluster;
use crate::error::JoinError;
use oi_kube::{Request, Verb};
use serde_json::{Value, json};

impl Cluster {
    /// Whether the cluster has a node of this name.
    pub fn has_node(&self, name: &str) -> Result<bool, JoinError> {
        let reply = self.call(&Request::get(format!("/api/v1/nodes/{name}")))?;
        if reply.status == 404 { Ok(false) } else { Ok(reply.object().map(|_| true)?) }
    }

    /// Why a node is not ready; none if it is.
    pub fn readiness(&self, name: &str) -> Result<Option<String>, JoinError> {
        let reply = self.call(&Request::get(format!("/api/v1/nodes/{name}")))?;
        if reply.status == 404 {
            return Ok(Some("waiting for the node to register".to_owned()));
        }
        let node = reply.object()?;
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let ready = conditions.iter().find(|c| c["type"] == "Ready");
        Ok(match ready {
            Some(c) if c["status"] == "True" => None,
            Some(c) => Some(format!("not ready: {}", c["message"].as_str().unwrap_or_default())),
            None => Some("waiting for the node's first report".to_owned()),
        })
    }

    /// Marks a node whose machine has left: the add-on reconciler deletes it. Returns whether the
    /// cluster has the node.
    pub fn mark_left(&self, name: &str) -> Result<bool, JoinError> {
        let labels = json!({"oi/left": "true"});
        let patch = json!({"metadata": {"labels": labels}, "spec": {"unschedulable": true}});
        self.patch_node(name, &patch)
    }

    /// Lets a node take no new pods. Returns whether the cluster has the node.
    pub fn cordon(&self, name: &str) -> Result<bool, JoinError> {
        self.patch_node(name, &json!({"spec": {"unschedulable": true}}))
    }

    fn patch_node(&self, name: &str, patch: &Value) -> Result<bool, JoinError> {
        let path = format!("/api/v1/nodes/{name}");
        let reply = self.call(&Request::with(Verb::Merge, path, patch))?;
        if reply.status == 404 { Ok(false) } else { Ok(reply.object().map(|_| true)?) }
    }
}
