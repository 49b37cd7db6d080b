//! Where keys come from: a port, so that deciding stays pure. What is minted is
//! recorded in events; replaying never mints.

use oi_events::{ClusterUid, Credential, Hash};
use std::net::IpAddr;

/// The name of the service account key pair among a cluster's credentials.
pub const SERVICE_ACCOUNT: &str = "sa";
/// The name of the key for encryption at rest among a cluster's credentials.
pub const ENCRYPTION_KEY: &str = "encryption-key";

/// The certificate authorities of a cluster, as kubeadm lays them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ca {
    /// Signs the API server and its clients.
    Kubernetes,
    /// Signs etcd's servers, peers and clients.
    Etcd,
    /// Signs the aggregation layer's client.
    FrontProxy,
}

impl Ca {
    /// All of them.
    pub const ALL: [Ca; 3] = [Ca::Kubernetes, Ca::Etcd, Ca::FrontProxy];

    /// Its name among a cluster's credentials.
    pub fn name(self) -> &'static str {
        match self {
            Ca::Kubernetes => "ca",
            Ca::Etcd => "etcd-ca",
            Ca::FrontProxy => "front-proxy-ca",
        }
    }

    /// The common name in its certificate.
    pub fn common_name(self) -> &'static str {
        match self {
            Ca::Kubernetes => "kubernetes",
            Ca::Etcd => "etcd-ca",
            Ca::FrontProxy => "front-proxy-ca",
        }
    }
}

/// Names an authority by its certificate.
pub fn fingerprint(authority: &Credential) -> Hash {
    Hash::of(&[b"oi/authority/v1", &authority.public])
}

/// The identities that a node's components need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf {
    /// The API server towards its clients.
    ApiServer {
        /// DNS names.
        dns: Vec<String>,
        /// Addresses.
        ips: Vec<IpAddr>,
    },
    /// The API server towards kubelets.
    ApiServerKubeletClient,
    /// The API server towards etcd.
    ApiServerEtcdClient,
    /// etcd towards its clients.
    EtcdServer {
        /// The member's name.
        member: String,
        /// Addresses.
        ips: Vec<IpAddr>,
    },
    /// etcd towards its peers.
    EtcdPeer {
        /// The member's name.
        member: String,
        /// The name that all peers of the cluster have, and nobody else.
        peer_name: String,
        /// Addresses.
        ips: Vec<IpAddr>,
    },
    /// Health checks and membership changes.
    EtcdHealthcheckClient,
    /// The aggregation layer.
    FrontProxyClient,
    /// The controller manager.
    ControllerManager,
    /// The scheduler.
    Scheduler,
}

impl Leaf {
    /// Its name among a node's credentials.
    pub fn name(&self) -> &'static str {
        match self {
            Leaf::ApiServer { .. } => "apiserver",
            Leaf::ApiServerKubeletClient => "apiserver-kubelet-client",
            Leaf::ApiServerEtcdClient => "apiserver-etcd-client",
            Leaf::EtcdServer { .. } => "etcd-server",
            Leaf::EtcdPeer { .. } => "etcd-peer",
            Leaf::EtcdHealthcheckClient => "etcd-healthcheck-client",
            Leaf::FrontProxyClient => "front-proxy-client",
            Leaf::ControllerManager => Credential::CONTROLLER_MANAGER,
            Leaf::Scheduler => Credential::SCHEDULER,
        }
    }

    /// Which authority signs it.
    pub fn ca(&self) -> Ca {
        match self {
            Leaf::EtcdServer { .. }
            | Leaf::EtcdPeer { .. }
            | Leaf::EtcdHealthcheckClient
            | Leaf::ApiServerEtcdClient => Ca::Etcd,
            Leaf::FrontProxyClient => Ca::FrontProxy,
            _ => Ca::Kubernetes,
        }
    }
}

/// Keys could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make {what}")]
pub struct MintError {
    /// For what.
    pub what: String,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Makes key material, sealed under the cluster's data key.
pub trait Mint {
    /// A self-signed authority.
    ///
    /// # Errors
    /// Where the key cannot be made or sealed; so for all of these.
    fn ca(&self, cluster: ClusterUid, authority: Ca) -> Result<Credential, MintError>;
    /// A key pair without certificate.
    fn key_pair(&self, cluster: ClusterUid, name: &str) -> Result<Credential, MintError>;
    /// 32 random bytes.
    fn secret(&self, cluster: ClusterUid, name: &str) -> Result<Credential, MintError>;
    /// A secret of another cluster, sealed anew for this one.
    fn reseal(
        &self,
        source: ClusterUid,
        credential: &Credential,
        cluster: ClusterUid,
    ) -> Result<Credential, MintError>;
    /// A certificate signed by `issuer`.
    fn leaf(
        &self,
        cluster: ClusterUid,
        issuer: &Credential,
        leaf: &Leaf,
    ) -> Result<Credential, MintError>;
}
