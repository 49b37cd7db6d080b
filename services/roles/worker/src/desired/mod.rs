//! What must run for a node: pods, and the files that they read.
//!
//! Everything here is a pure function of the state, and plain data: a [`PodSpec`] says nothing
//! about who runs it. [`place`](crate::place) runs it. [`steps`](crate::steps) does so for a job,
//! and the [`supervisor`](crate::supervisor) does so for a container that died.
//!
//! A container restarts when the hash of its description changes. Two releases must therefore
//! describe the same state in the same bytes: `tests/unchanged.rs` checks that.

pub mod control_plane;
pub mod etcd;
mod files;
mod haproxy;
pub mod ingress;
pub mod names;
mod node_context;
mod secrets;
pub mod shared_port;

pub use files::Files;
pub use node_context::NodeContext;
pub use oi_cri::{ContainerSpec, FileOp, Labels, Mount, PodSpec, PortMapping, label};
pub use secrets::{Secrets, tunnel_key};

use oi_events::PortUse;
use oi_keyring::KeyringError;

/// A pod, and the changes of files that it needs.
pub type PodAndFiles = (PodSpec, Vec<FileOp>);

/// Why a node's pods cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum DesiredError {
    /// The state lacks a credential.
    #[error("the state has no credential {0}")]
    NoCredential(String),
    /// The state lacks a port.
    #[error("the state has no port for {0:?}")]
    NoPort(PortUse),
    /// The state lacks the cluster or the node.
    #[error("{0} is not in the state")]
    Unknown(String),
    /// The state has no range of addresses where it must.
    #[error("{0:?} is not a range of addresses")]
    Cidr(String),
    /// A file has no form in JSON.
    #[error("a file cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// A private key cannot be opened.
    #[error(transparent)]
    Keys(#[from] KeyringError),
}
