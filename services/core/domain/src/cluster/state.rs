//! What is known of a cluster.

use crate::addons::InstalledAddons;
use crate::backup::{Backup, BackupSchedule, Restore};
use crate::node::Node;
use crate::rotation::Rotation;
use crate::tunnel::Tunnel;
use crate::upgrade::Upgrade;
use oi_events::{
    BackupId, ClusterSpec, ClusterUid, Credential, Endpoint, Generation, Hash, Issuer, NodeName,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How far a cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClusterPhase {
    /// Its nodes are not all ready for the first time.
    Creating,
    /// The API has answered through an ingress.
    Ready,
    /// It is going away.
    Deleting,
}

/// A Kubernetes control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// This life of its name.
    pub uid: ClusterUid,
    /// What it was made with; the release changes with upgrades, further names of its API as asked
    /// for.
    pub spec: ClusterSpec,
    /// Authorities and cluster-wide keys, by name. Shared, like what else is large and
    /// changes seldom: decisions are made on copies of a cluster.
    pub credentials: Arc<BTreeMap<String, Credential>>,
    /// How far it is.
    pub phase: ClusterPhase,
    /// The position of the creation, then of the deletion.
    pub generation: Generation,
    /// Its nodes by name.
    pub nodes: BTreeMap<NodeName, Arc<Node>>,
    /// Client certificates issued to users, by serial number. Those that have ended are
    /// forgotten when the next one is issued.
    pub kubeconfigs: Arc<BTreeMap<String, Kubeconfig>>,
    /// The upgrade that is on its way.
    pub upgrade: Option<Upgrade>,
    /// It runs nothing, and keeps its data.
    pub hibernated: bool,
    /// When it is to be deleted, Unix milliseconds.
    pub delete_at_ms: Option<u64>,
    /// Its deletion forgets what is left on hypervisors that are away.
    pub forget_orphans: bool,
    /// How long its backups outlive its deletion, milliseconds.
    pub keep_backups_ms: Option<u64>,
    /// It is being deleted, and its backups are readable until then, Unix milliseconds.
    pub backups_until_ms: Option<u64>,
    /// Its backups; the ids rise with time.
    pub backups: BTreeMap<BackupId, Backup>,
    /// How it is backed up.
    pub schedule: Option<BackupSchedule>,
    /// The restore that is on its way.
    pub restore: Option<Restore>,
    /// Authorities that are trusted beside those that sign, by name.
    pub other_cas: BTreeMap<String, Credential>,
    /// The replacement of its authorities that is on its way.
    pub rotation: Option<Rotation>,
    /// What is kept inside of it; none where nothing is.
    pub addons: Option<InstalledAddons>,
    /// The tunnel to its worker nodes; none where they reach each other without.
    pub tunnel: Option<Tunnel>,
    /// Objects in it that name Services, which its API servers cannot call without a tunnel.
    pub needs_tunnel: Vec<String>,
    /// Where its API is reached; none for the oldest ingress.
    pub endpoint: Option<Endpoint>,
    /// Who is to say who its users are, beside itself.
    pub issuers: Arc<Vec<Issuer>>,
    /// Its etcd members have had certificates with a peer's name since its creation, so that
    /// nothing else of the same authority is taken for a peer.
    pub named_peers: bool,
}

impl Cluster {
    /// Whether its API can be asked: it has answered, and nothing stops it.
    pub fn answers(&self) -> bool {
        self.phase == ClusterPhase::Ready && !self.hibernated && !self.is_down()
    }

    /// Whether a restore keeps it from running. One that is still unpacked does not.
    pub(crate) fn is_down(&self) -> bool {
        self.restore.as_ref().is_some_and(Restore::is_down)
    }

    /// Whether a backup of it can be read, and will be unless somebody decides otherwise.
    pub fn is_readable(&self, backup: BackupId) -> bool {
        let stays = self.phase != ClusterPhase::Deleting || self.backups_until_ms.is_some();
        stays && self.backups.get(&backup).is_some_and(|b| !b.expired && b.snapshot.is_some())
    }
}

/// A client certificate that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kubeconfig {
    /// User name.
    pub common_name: String,
    /// Groups.
    pub organizations: Vec<String>,
    /// When it ends, Unix milliseconds.
    pub not_after_ms: u64,
    /// The [`fingerprint`](crate::fingerprint) of the authority that signed it.
    pub issuer: Hash,
}
