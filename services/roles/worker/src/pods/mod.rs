//! What must run for a node, as pure functions of the state: pods and the files
//! that they read.

mod authentication;
pub mod control_plane;
pub mod etcd;
mod haproxy;
pub mod ingress;
pub mod passthrough;
pub mod tunnel;

use crate::names;
use oi_cri::{FileOp, PodSpec};
use oi_domain::{Ca, Cluster, Hypervisor, Node, State, TUNNEL_KEY};
use oi_events::{ClusterName, ClusterUid, Credential, NodeName, PortUse};
use oi_keyring::{Keyring, KeyringError};
use oi_pki::{DataKey, Zeroizing, certificate_pem, private_key_pem};
use oi_tunnel::Key;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Why a node's pods cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum PodsError {
    /// A credential is not in the state.
    #[error("the state has no credential {0}")]
    NoCredential(String),
    /// A port is not in the state.
    #[error("the state has no port for {0:?}")]
    NoPort(PortUse),
    /// The cluster or node is not in the state.
    #[error("{0} is not in the state")]
    Unknown(String),
    /// A private part cannot be opened.
    #[error(transparent)]
    Keys(#[from] KeyringError),
}

/// A node with all that its pods depend on, taken out of the state.
pub struct Target {
    /// Its cluster's name.
    pub cluster_name: ClusterName,
    /// Its cluster.
    pub cluster: Arc<Cluster>,
    /// Its name.
    pub name: NodeName,
    /// The node itself.
    pub node: Arc<Node>,
    /// Where it is.
    pub hypervisor: Arc<Hypervisor>,
    /// The hypervisors of the cluster's nodes.
    pub hypervisors: BTreeMap<NodeName, Arc<Hypervisor>>,
    /// Where the hub of its cluster's tunnel is.
    pub hub: Option<SocketAddr>,
}

impl Target {
    /// Looks a node up.
    pub fn find(state: &State, cluster: &ClusterName, node: &NodeName) -> Option<Target> {
        let c = state.clusters.get(cluster)?;
        let n = c.nodes.get(node)?;
        let of = |n: &Node| state.hypervisors.get(&n.hypervisor).cloned();
        Some(Target {
            cluster_name: cluster.clone(),
            cluster: c.clone(),
            name: node.clone(),
            node: n.clone(),
            hypervisor: of(n)?,
            hypervisors: c.nodes.iter().filter_map(|(k, n)| Some((k.clone(), of(n)?))).collect(),
            hub: state.tunnel_hub(c),
        })
    }

    /// The node's directory on its hypervisor.
    pub fn dir(&self) -> String {
        names::node_dir(&self.hypervisor, self.cluster.uid, &self.name)
    }

    /// A host port of the node.
    pub fn port(&self, port_use: PortUse) -> Result<u16, PodsError> {
        self.node.ports.get(&port_use).copied().ok_or(PodsError::NoPort(port_use))
    }

    /// Where others reach a port of a node of this cluster.
    pub fn address_of(
        &self,
        name: &NodeName,
        node: &Node,
        port_use: PortUse,
    ) -> Result<SocketAddr, PodsError> {
        let h = self.hypervisors.get(name).ok_or_else(|| PodsError::Unknown(name.to_string()))?;
        let port = node.ports.get(&port_use).ok_or(PodsError::NoPort(port_use))?;
        Ok(SocketAddr::new(h.spec.address, *port))
    }

    /// Where others reach a port of this node.
    pub fn address(&self, port_use: PortUse) -> Result<SocketAddr, PodsError> {
        self.address_of(&self.name, &self.node, port_use)
    }

    /// All certificates by which an authority of the cluster is trusted, as PEM.
    fn trusted(&self, authority: Ca) -> String {
        self.cluster.trusted(authority).iter().map(|c| certificate_pem(&c.public)).collect()
    }

    fn pod(&self, pod: &str) -> PodSpec {
        PodSpec {
            name: format!("{pod}-{}", self.name),
            namespace: self.cluster_name.to_string(),
            uid: format!("{}-{}-{pod}", self.cluster.uid, self.name),
            hostname: format!("{pod}-{}", self.name).chars().take(63).collect(),
            identity: names::pod_labels(self.cluster.uid, &self.name, pod),
            labels: names::extra_labels(&self.cluster_name),
            generation: self.node.generation.0,
            log_directory: format!("{}/log/{pod}", self.dir()),
            ..PodSpec::default()
        }
    }
}

/// Opens credentials and lays them out as files.
pub struct Secrets<'a> {
    /// The node that they are for.
    pub target: &'a Target,
    /// What opens them.
    pub key: &'a DataKey,
}

impl Secrets<'_> {
    fn uid(&self) -> ClusterUid {
        self.target.cluster.uid
    }

    /// A credential of the node, or of the cluster.
    fn credential(&self, name: &str) -> Result<&Credential, PodsError> {
        let (node, cluster) = (&self.target.node.credentials, &self.target.cluster.credentials);
        node.get(name)
            .or_else(|| cluster.get(name))
            .ok_or_else(|| PodsError::NoCredential(name.to_owned()))
    }

    /// The private part, raw.
    pub fn private(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, PodsError> {
        Ok(Keyring::open(self.key, self.uid(), self.credential(name)?)?)
    }

    /// The certificate or public key, DER.
    pub fn public(&self, name: &str) -> Result<&[u8], PodsError> {
        Ok(&self.credential(name)?.public)
    }

    /// The certificate as PEM.
    pub fn certificate(&self, name: &str) -> Result<Vec<u8>, PodsError> {
        Ok(certificate_pem(self.public(name)?).into_bytes())
    }

    /// All certificates by which an authority is trusted, as PEM.
    pub fn trusted(&self, authority: Ca) -> Result<Vec<u8>, PodsError> {
        let pem: String = self.target.trusted(authority);
        let absent = || PodsError::NoCredential(authority.name().to_owned());
        if pem.is_empty() { Err(absent()) } else { Ok(pem.into_bytes()) }
    }

    /// The private key of the tunnel's hub.
    pub fn tunnel_key(&self) -> Result<Key, PodsError> {
        tunnel_key(&self.private(TUNNEL_KEY)?)
    }

    /// The private key as PEM.
    pub fn private_key(&self, name: &str) -> Result<Vec<u8>, PodsError> {
        Ok(private_key_pem(&self.private(name)?).as_bytes().to_vec())
    }
}

/// The private key of a tunnel's hub, of its bytes.
pub fn tunnel_key(bytes: &[u8]) -> Result<Key, PodsError> {
    let bytes = bytes.try_into().map_err(|_| PodsError::NoCredential(TUNNEL_KEY.to_owned()))?;
    Ok(Key(bytes))
}

/// Files of one directory, and a hash over those that are read only at the start.
pub struct Files {
    dir: String,
    operations: Vec<FileOp>,
    at_start: Sha256,
}

impl Files {
    /// Files below `dir`.
    pub fn new(dir: String) -> Files {
        Files { dir, operations: Vec::new(), at_start: Sha256::new() }
    }

    /// A file that is only read at the start: its component starts anew with it.
    pub fn at_start(&mut self, name: &str, content: Vec<u8>) {
        self.at_start.update((name.len() as u64).to_le_bytes());
        self.at_start.update(name);
        self.at_start.update((content.len() as u64).to_le_bytes());
        self.at_start.update(&content);
        self.reread(name, content);
    }

    /// A file that its component reads again by itself.
    pub fn reread(&mut self, name: &str, content: Vec<u8>) {
        let path = format!("{}/{name}", self.dir);
        self.operations.push(FileOp::Write { path, mode: 0o600, content });
    }

    /// A directory.
    pub fn directory(&mut self, path: String) {
        self.operations.push(FileOp::MakeDir { path, mode: 0o700 });
    }

    /// The operations, and the hash over files that are read at the start.
    pub fn finish(self) -> (Vec<FileOp>, String) {
        let hash = hex::encode(self.at_start.finalize());
        (self.operations, hash)
    }
}
