//! Declarative documents, or manifests: `apiVersion: oi/v1` with kind `Hypervisor`,
//! `Cluster` or `Node`, many in one YAML stream. What is not understood is refused with its
//! position, never dropped.
//!
//! Each kind has a file with its form and with what of the API it becomes.

mod cluster;
mod hypervisor;
mod node;
mod stream;

pub use cluster::{
    AddonsSpec, ClusterSpec, Cni, ENDPOINT_PORT, EndpointSpec, Networking, TunnelSpec,
};
pub use hypervisor::{HypervisorSpec, PortRange, TlsFiles, sorted_ports};
pub use node::{NodeRole, NodeSpec};
pub use stream::{ManifestError, check_end, read, write};

use serde::{Deserialize, Serialize};

/// The name of what a document declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// DNS label.
    pub name: String,
}

/// One document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// See [`HypervisorSpec`].
    Hypervisor(Metadata, HypervisorSpec),
    /// See [`ClusterSpec`].
    Cluster(Metadata, ClusterSpec),
    /// See [`NodeSpec`].
    Node(Metadata, NodeSpec),
}
