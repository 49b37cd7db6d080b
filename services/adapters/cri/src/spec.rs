//! Pods and containers as plain data, with hashes over their content.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Labels, sorted.
pub type Labels = BTreeMap<String, String>;

/// The labels by which our sandboxes and containers are found.
pub mod label {
    /// The uid of the cluster.
    pub const CLUSTER_UID: &str = "oi/cluster-uid";
    /// The cluster's name, for people.
    pub const CLUSTER: &str = "oi/cluster";
    /// The node.
    pub const NODE: &str = "oi/node";
    /// The pod of that node.
    pub const POD: &str = "oi/pod";
    /// The host port, if each port has a pod of its own.
    pub const PORT: &str = "oi/port";
    /// The release of the helper.
    pub const HELPER: &str = "oi/helper";
    /// The generation that it was made for.
    pub const GENERATION: &str = "oi/generation";
    /// The hash of its description.
    pub const SPEC_HASH: &str = "oi/spec-hash";
}

/// A host port that is forwarded to a container port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMapping {
    /// Port in the pod.
    pub container_port: u16,
    /// Port on the hypervisor.
    pub host_port: u16,
    /// UDP rather than TCP.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub udp: bool,
}

impl PortMapping {
    /// A TCP port.
    pub fn tcp(container_port: u16, host_port: u16) -> PortMapping {
        PortMapping { container_port, host_port, udp: false }
    }
}

/// A file or directory of the hypervisor in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Path on the hypervisor.
    pub host_path: String,
    /// Path in the container.
    pub container_path: String,
    /// The container cannot write it.
    pub read_only: bool,
}

impl Mount {
    /// A mount that the container can write.
    pub fn writable(host_path: impl Into<String>, container_path: impl Into<String>) -> Mount {
        let (host_path, container_path) = (host_path.into(), container_path.into());
        Mount { host_path, container_path, read_only: false }
    }

    /// A mount that the container can only read.
    pub fn read_only(host_path: impl Into<String>, container_path: impl Into<String>) -> Mount {
        Mount { read_only: true, ..Mount::writable(host_path, container_path) }
    }
}

/// A container, as it must run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Name in its pod.
    pub name: String,
    /// Image by its upstream name.
    pub image: String,
    /// Command and arguments.
    pub command: Vec<String>,
    /// Environment. Others can see it: it must not be secret.
    pub env: BTreeMap<String, String>,
    /// More environment for a new container. A change of it does not replace a container.
    #[serde(skip)]
    pub first_start_env: BTreeMap<String, String>,
    /// Mounts.
    pub mounts: Vec<Mount>,
    /// A hash of the files that it reads only at its start.
    pub files_hash: String,
    /// It makes a network interface in its pod's network: it gets /dev/net/tun and
    /// CAP_NET_ADMIN.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_tunnel: bool,
}

/// A pod sandbox and what runs in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PodSpec {
    /// Sandbox name, unique on its hypervisor together with `uid`.
    pub name: String,
    /// Sandbox namespace, for people.
    pub namespace: String,
    /// The same for each attempt to make this pod.
    pub uid: String,
    /// Host name in the pod.
    pub hostname: String,
    /// Labels by which it is found: [`label::CLUSTER_UID`], [`label::NODE`], [`label::POD`].
    pub identity: Labels,
    /// Further labels, not part of the hash.
    pub labels: Labels,
    /// The generation that it is made for, not part of the hash.
    pub generation: u64,
    /// The directory on the hypervisor that only the newest generation may change; empty where
    /// there is none. Not part of the hash.
    pub directory: String,
    /// Where the runtime writes container output, on the hypervisor.
    pub log_directory: String,
    /// Uses the hypervisor's own network, and sees its processes.
    pub on_host: bool,
    /// Host ports.
    pub ports: Vec<PortMapping>,
    /// Containers, in the order in which they start.
    pub containers: Vec<ContainerSpec>,
}

/// A description has no form in JSON, of which its hash is made.
#[derive(Debug, thiserror::Error)]
#[error("the description of a pod has no hash")]
pub struct HashError(#[from] serde_json::Error);

fn hash<T: Serialize>(value: &T) -> Result<String, HashError> {
    // Plain data with sorted maps has exactly one JSON form.
    Ok(hex::encode(Sha256::digest(serde_json::to_vec(value)?)))
}

impl ContainerSpec {
    /// A hash of everything: equal descriptions have equal hashes.
    ///
    /// # Errors
    /// [`HashError`].
    pub fn hash(&self) -> Result<String, HashError> {
        hash(self)
    }
}

impl PodSpec {
    /// A hash of what the sandbox is made from. Containers have hashes of their own.
    ///
    /// # Errors
    /// [`HashError`].
    pub fn sandbox_hash(&self) -> Result<String, HashError> {
        hash(&(
            &self.name,
            &self.namespace,
            &self.uid,
            &self.hostname,
            &self.identity,
            &self.log_directory,
            self.on_host,
            &self.ports,
        ))
    }
}
