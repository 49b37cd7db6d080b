//! Records of clusters as a whole.

use crate::command::Command;
use crate::credential::Credential;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::hash::Hash;
use crate::ids::{ClusterName, ClusterUid, Generation, KubernetesVersion};
use crate::records;
use serde::{Deserialize, Serialize};

/// What a cluster is made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSpec {
    /// The release that its components run.
    pub kubernetes_version: KubernetesVersion,
    /// Addresses of pods, CIDR.
    pub pod_cidr: String,
    /// Addresses of Services, CIDR.
    pub service_cidr: String,
    /// The cluster's DNS domain.
    pub dns_domain: String,
    /// More names or addresses for the API server's certificate.
    pub extra_sans: Vec<String>,
}

/// Asks for a cluster; its nodes are asked for one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateClusterV1 {
    /// Its name.
    pub name: ClusterName,
    /// What it is made with.
    pub spec: ClusterSpec,
}

/// Asks that a cluster and all its nodes be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteClusterV1 {
    /// Which one.
    pub name: ClusterName,
}

/// The same, with a choice for what stands on hypervisors that are away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteClusterV2 {
    /// Which one.
    pub name: ClusterName,
    /// Forget what is left on hypervisors that are away, instead of clearing it when
    /// they are back.
    pub forget_orphans: bool,
}

impl From<DeleteClusterV1> for DeleteClusterV2 {
    fn from(old: DeleteClusterV1) -> Self {
        DeleteClusterV2 { name: old.name, forget_orphans: false }
    }
}

/// Asks that a cluster stop now, and be deleted after a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleDeletionV1 {
    /// Which one.
    pub name: ClusterName,
    /// For how long it can be brought back, milliseconds.
    pub grace_ms: u64,
}

/// Asks that a cluster that waits for its deletion be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndeleteClusterV1 {
    /// Which one.
    pub name: ClusterName,
}

/// Asks that a cluster run nothing and keep its data, or run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HibernateClusterV1 {
    /// Which one.
    pub name: ClusterName,
    /// False to wake it.
    pub hibernated: bool,
}

/// A client certificate was signed for a user of a cluster. Recorded before it
/// is handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordKubeconfigV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// User name.
    pub common_name: String,
    /// Groups.
    pub organizations: Vec<String>,
    /// Serial number of the certificate, hexadecimal.
    pub serial: String,
    /// When it ends, Unix milliseconds.
    pub not_after_ms: u64,
}

/// The same, with the authority that signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordKubeconfigV2 {
    /// The cluster.
    pub cluster: ClusterName,
    /// User name.
    pub common_name: String,
    /// Groups.
    pub organizations: Vec<String>,
    /// Serial number of the certificate, hexadecimal.
    pub serial: String,
    /// When it ends, Unix milliseconds.
    pub not_after_ms: u64,
    /// The fingerprint of the authority that signed it; zero where it is not known.
    pub issuer: Hash,
}

impl From<RecordKubeconfigV1> for RecordKubeconfigV2 {
    fn from(old: RecordKubeconfigV1) -> Self {
        let RecordKubeconfigV1 { cluster, common_name, organizations, serial, not_after_ms } = old;
        let issuer = Hash::ZERO;
        RecordKubeconfigV2 { cluster, common_name, organizations, serial, not_after_ms, issuer }
    }
}

/// A cluster exists, without nodes yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterCreatedV1 {
    /// Its name.
    pub name: ClusterName,
    /// This life of that name.
    pub uid: ClusterUid,
    /// What it is made with.
    pub spec: ClusterSpec,
    /// Authorities, the service account key pair and the key for encryption at
    /// rest, private parts sealed.
    pub credentials: Vec<Credential>,
}

/// All that a cluster needs to answer runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterBecameReadyV1 {
    /// Which one.
    pub name: ClusterName,
}

/// A cluster is going away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDeletionStartedV1 {
    /// Which one.
    pub name: ClusterName,
    /// Names the work that the deletion owes.
    pub generation: Generation,
}

/// The same, with a choice for what stands on hypervisors that are away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDeletionStartedV2 {
    /// Which one.
    pub name: ClusterName,
    /// Names the work that the deletion owes.
    pub generation: Generation,
    /// What is left on hypervisors that are away is forgotten.
    pub forget_orphans: bool,
}

impl From<ClusterDeletionStartedV1> for ClusterDeletionStartedV2 {
    fn from(old: ClusterDeletionStartedV1) -> Self {
        let ClusterDeletionStartedV1 { name, generation } = old;
        ClusterDeletionStartedV2 { name, generation, forget_orphans: false }
    }
}

/// A cluster is to be deleted, or not to be deleted after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDeletionScheduledV1 {
    /// The cluster.
    pub name: ClusterName,
    /// When, Unix milliseconds; none where it stays.
    pub at_ms: Option<u64>,
}

/// Nothing is left of a cluster; its data key is destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDeletedV1 {
    /// Which one.
    pub name: ClusterName,
    /// Which life of that name.
    pub uid: ClusterUid,
}

/// A cluster is to run nothing, or to run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterHibernatedV1 {
    /// The cluster.
    pub name: ClusterName,
    /// False where it runs again.
    pub hibernated: bool,
    /// The generation of its nodes from here on.
    pub generation: Generation,
}

/// A client certificate was issued to a user of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeconfigIssuedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// User name.
    pub common_name: String,
    /// Groups.
    pub organizations: Vec<String>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// When it ends, Unix milliseconds.
    pub not_after_ms: u64,
}

/// The same, with the authority that signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeconfigIssuedV2 {
    /// The cluster.
    pub cluster: ClusterName,
    /// User name.
    pub common_name: String,
    /// Groups.
    pub organizations: Vec<String>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// When it ends, Unix milliseconds.
    pub not_after_ms: u64,
    /// The fingerprint of the authority that signed it; zero where it is not known.
    pub issuer: Hash,
}

impl From<KubeconfigIssuedV1> for KubeconfigIssuedV2 {
    fn from(old: KubeconfigIssuedV1) -> Self {
        let KubeconfigIssuedV1 { cluster, common_name, organizations, serial, not_after_ms } = old;
        let issuer = Hash::ZERO;
        KubeconfigIssuedV2 { cluster, common_name, organizations, serial, not_after_ms, issuer }
    }
}

records! {
    /// Requests about clusters as a whole.
    ClusterCommand in Command::Cluster, CommandFacts {
        CreateCluster(c) = 3 [; 1 => CreateClusterV1] {
            about: About::cluster(&c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::New,
        },
        DeleteCluster(c) = 4 [1 => DeleteClusterV1, ; 2 => DeleteClusterV2] {
            about: About::cluster(&c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
        },
        ScheduleDeletion(c) = 16 [; 1 => ScheduleDeletionV1] {
            about: About::cluster(&c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
        },
        UndeleteCluster(c) = 17 [; 1 => UndeleteClusterV1] {
            about: About::cluster(&c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::Standing,
        },
        HibernateCluster(c) = 15 [; 1 => HibernateClusterV1] {
            about: About::cluster(&c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::Standing,
        },
        RecordKubeconfig(c) = 10 [1 => RecordKubeconfigV1, ; 2 => RecordKubeconfigV2] {
            about: About::cluster(&c.cluster),
            level: 1,
            asked_by: AskedBy::Oi,
            adds_work: false,
            keys: Keys::None,
        },
    }
}

records! {
    /// Facts about clusters as a whole.
    ClusterEvent in Event::Cluster, EventFacts<'_> {
        ClusterCreated(e) = 105 [; 1 => ClusterCreatedV1] {
            about: About::cluster(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &e.credentials,
        },
        ClusterBecameReady(e) = 108 [; 1 => ClusterBecameReadyV1] {
            about: About::cluster(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        ClusterDeletionStarted(e) = 106 [1 => ClusterDeletionStartedV1, ; 2 => ClusterDeletionStartedV2] {
            about: About::cluster(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        ClusterDeletionScheduled(e) = 129 [; 1 => ClusterDeletionScheduledV1] {
            about: About::cluster(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        ClusterDeleted(e) = 107 [; 1 => ClusterDeletedV1] {
            about: About::cluster(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        ClusterHibernated(e) = 128 [; 1 => ClusterHibernatedV1] {
            about: About::cluster(&e.name),
            effect: Effect::Routes,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        KubeconfigIssued(e) = 119 [1 => KubeconfigIssuedV1, ; 2 => KubeconfigIssuedV2] {
            about: About::cluster(&e.cluster),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
    }
}
