//! Kind `Node`.

use crate::v1;
use serde::{Deserialize, Serialize};

/// A member of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeSpec {
    /// The cluster it belongs to.
    pub cluster: String,
    /// `controlplane` or `controlplane-ingress`.
    pub role: NodeRole,
    /// Where to put it; placement chooses where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypervisor: Option<String>,
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeRole {
    /// etcd, API server, controller manager and scheduler.
    #[serde(rename = "controlplane")]
    ControlPlane,
    /// haproxy in front of the API servers.
    #[serde(rename = "controlplane-ingress")]
    ControlPlaneIngress,
    /// An API server without an etcd member of its own.
    #[serde(rename = "apiserver")]
    ApiServer,
}

impl From<NodeRole> for v1::Role {
    fn from(role: NodeRole) -> v1::Role {
        match role {
            NodeRole::ControlPlane => v1::Role::ControlPlane,
            NodeRole::ControlPlaneIngress => v1::Role::ControlPlaneIngress,
            NodeRole::ApiServer => v1::Role::ApiServer,
        }
    }
}

impl NodeSpec {
    /// The command that adds it to its cluster.
    pub fn add(&self, name: &str) -> v1::AddNode {
        v1::AddNode {
            cluster: self.cluster.clone(),
            name: name.to_owned(),
            role: v1::Role::from(self.role).into(),
            hypervisor: self.hypervisor.clone().unwrap_or_default(),
        }
    }
}
