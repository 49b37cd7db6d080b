//! Records of backups and restores.

use super::cluster::ClusterSpec;
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

/// Where snapshots are that others have made, as etcd wrote them: below it by cluster.
const IMPORTS: &str = "imports/";

impl SnapshotV1 {
    /// A snapshot that others have made for a cluster.
    pub fn imported(cluster: &ClusterName, file: &str, sha256: Hash) -> SnapshotV1 {
        SnapshotV1 { position: 0, object: format!("{IMPORTS}{cluster}/{file}"), bytes: 0, sha256 }
    }

    /// Whether others have made it: it is not sealed, and its SHA-256 is known only if somebody
    /// has said it.
    pub fn is_imported(&self) -> bool {
        self.object.starts_with(IMPORTS)
    }
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

/// Asks that a restore be given up: the cluster goes back to what it was before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbortRestoreV1 {
    /// Which cluster.
    pub name: ClusterName,
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

/// Asks that the backups of a cluster stay readable for so long after its deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepBackupsV1 {
    /// Which cluster.
    pub name: ClusterName,
    /// How long, milliseconds; 0 for not at all.
    pub for_ms: u64,
}

/// Asks for a new cluster with a snapshot of an etcd that oi did not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportClusterV1 {
    /// The new cluster; its nodes are asked for one by one.
    pub name: ClusterName,
    /// What it is made with.
    pub spec: ClusterSpec,
    /// The snapshot's file, in the directory `imports/NAME` of the backup store.
    pub file: String,
    /// The SHA-256 of all of the file; zero where only the checksum at its end is to be trusted.
    pub sha256: Hash,
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

/// The backups of a cluster stay readable for so long after its deletion; of one that is being
/// deleted, from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupsKeptV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// How long, milliseconds; 0 for not at all.
    pub for_ms: u64,
    /// Names the work that is owed where none are kept any more.
    pub generation: Generation,
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

/// A backup is fetched, verified and unpacked beside the data: the cluster stops, and its data
/// is swapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreStagedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
    /// The generation of the nodes from here on.
    pub generation: Generation,
}

/// A cluster is to be what it was before a restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreAbortedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
    /// The generation of the nodes from here on.
    pub generation: Generation,
}

/// A cluster runs with what a backup held, or, after an abort, with what it had before.
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
        AbortRestore(c) = 46 [; 1 => AbortRestoreV1] {
            about: About::cluster(&c.name),
            level: 4,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
        },
        ImportCluster(c) = 48 [; 1 => ImportClusterV1] {
            about: About::cluster(&c.name),
            level: 4,
            // Whoever puts files into the backup store.
            asked_by: AskedBy::Admin,
            adds_work: true,
            keys: Keys::New,
        },
        KeepBackups(c) = 47 [; 1 => KeepBackupsV1] {
            about: About::cluster(&c.name),
            level: 4,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
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
        RestoreStaged(e) = 165 [; 1 => RestoreStagedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Routes,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        RestoreAborted(e) = 166 [; 1 => RestoreAbortedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Routes,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        BackupsKept(e) = 167 [; 1 => BackupsKeptV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Nothing,
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
