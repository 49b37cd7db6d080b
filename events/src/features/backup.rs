//! Records of backups and restores.

use crate::command::Command;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::hash::Hash;
use crate::ids::{BackupId, ClusterName, ClusterUid, Generation};
use crate::records;
use serde::{Deserialize, Serialize};

/// A snapshot of etcd in the backup store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotV1 {
    /// The log position up to which the worker that took it knew the state.
    pub position: u64,
    /// Where it is in the store.
    pub object: String,
    /// Its size, before it was sealed.
    pub bytes: u64,
    /// Its SHA-256, before it was sealed.
    pub sha256: Hash,
}

/// Asks for a backup of a cluster's etcd now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupClusterV1 {
    /// Which cluster.
    pub name: ClusterName,
}

/// Asks that a cluster be backed up again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleBackupsV1 {
    /// Which cluster.
    pub name: ClusterName,
    /// How long after one the next begins, milliseconds; 0 for no more.
    pub every_ms: u64,
    /// How many are kept, the newest ones; 0 for all.
    pub keep: u32,
}

/// Asks that a backup be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteBackupV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Which backup.
    pub backup: BackupId,
}

/// Asks that a cluster go back to what it was at a backup. What came later is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreClusterV1 {
    /// Which cluster.
    pub name: ClusterName,
    /// To which backup.
    pub backup: BackupId,
}

/// Asks for a new cluster with what another one was at a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneClusterV1 {
    /// The new cluster; its nodes are asked for one by one.
    pub name: ClusterName,
    /// The other one.
    pub source: ClusterName,
    /// Which backup of it.
    pub backup: BackupId,
}

/// A backup is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupStartedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
    /// Names the work that is owed.
    pub generation: Generation,
}

/// A backup is in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupTakenV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
    /// What it is.
    pub snapshot: SnapshotV1,
}

/// A cluster is backed up again and again, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupsScheduledV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// How long after one the next begins, milliseconds; 0 for no more.
    pub every_ms: u64,
    /// How many are kept, the newest ones; 0 for all.
    pub keep: u32,
}

/// A backup is to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupExpiredV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
    /// Names the work that is owed.
    pub generation: Generation,
}

/// Nothing is left of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupDeletedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
}

/// A cluster is to be what a cluster was at a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreStartedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
    /// The life of the cluster that it is of: itself, or another one.
    pub source: ClusterUid,
    /// What it is.
    pub snapshot: SnapshotV1,
    /// The generation of the nodes from here on.
    pub generation: Generation,
}

/// A cluster runs with what a backup held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreEndedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
}

records! {
    /// Requests about backups and restores.
    BackupCommand in Command::Backup, CommandFacts {
        BackupCluster(c) = 21 [; 1 => BackupClusterV1] {
            about: About::cluster(&c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: true,
            keys: Keys::None,
        },
        ScheduleBackups(c) = 22 [; 1 => ScheduleBackupsV1] {
            about: About::cluster(&c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
        },
        DeleteBackup(c) = 23 [; 1 => DeleteBackupV1] {
            about: About::cluster(&c.cluster),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
        },
        RestoreCluster(c) = 24 [; 1 => RestoreClusterV1] {
            about: About::cluster(&c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
        },
        CloneCluster(c) = 25 [; 1 => CloneClusterV1] {
            about: About::cluster(&c.name).reading(&c.source),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: true,
            keys: Keys::New,
        },
    }
}

records! {
    /// Facts about backups and restores.
    BackupEvent in Event::Backup, EventFacts<'_> {
        BackupStarted(e) = 133 [; 1 => BackupStartedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        BackupTaken(e) = 134 [; 1 => BackupTakenV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        BackupsScheduled(e) = 135 [; 1 => BackupsScheduledV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        BackupExpired(e) = 136 [; 1 => BackupExpiredV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        BackupDeleted(e) = 137 [; 1 => BackupDeletedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        RestoreStarted(e) = 138 [; 1 => RestoreStartedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Routes,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        RestoreEnded(e) = 139 [; 1 => RestoreEndedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Addons,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
    }
}
