//! What is known of backups and restores.

use oi_events::{BackupId, ClusterUid, Generation, SnapshotV1};
use serde::{Deserialize, Serialize};

/// A backup of a cluster's etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Names the work that is owed for it.
    pub generation: Generation,
    /// When it was asked for, Unix milliseconds.
    pub started_ms: u64,
    /// What is in the store; none before it is taken.
    pub snapshot: Option<SnapshotV1>,
    /// It is to go.
    pub expired: bool,
}

/// How a cluster is backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSchedule {
    /// How long after one the next begins, milliseconds.
    pub every_ms: u64,
    /// How many are kept, the newest ones; 0 for all.
    pub keep: u32,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
}

/// A restore on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// The backup.
    pub backup: BackupId,
    /// The life of the cluster that it is of.
    pub source: ClusterUid,
    /// What is in the store.
    pub snapshot: SnapshotV1,
}
