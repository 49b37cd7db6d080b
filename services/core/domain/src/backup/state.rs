//! What is known of backups and restores.

use crate::cluster::Cluster;
use crate::node::Node;
use crate::state::State;
use oi_events::{BackupId, ClusterName, ClusterUid, Generation, NodeName, Role, SnapshotV1};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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
    /// How far it is.
    pub stage: RestoreStage,
    /// The decision that it follows: names what is put in place for it, so that nothing is put
    /// in place twice.
    pub generation: Generation,
    /// The member that takes the data; the oldest one where it is not there.
    pub first: Option<NodeName>,
    /// What the cluster was when it was stopped for a restore; none while it runs.
    pub before: Option<Before>,
    /// Nodes that were away when all stopped: nobody waits for them. They go once the restore has
    /// ended; until then what they have stays.
    pub given_up: BTreeSet<NodeName>,
}

/// How far a restore is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestoreStage {
    /// All data is replaced at once: of a log below level 4.
    AtOnce,
    /// The backup is fetched, verified and unpacked beside the data of the first member.
    Staging,
    /// All stop; the first member's data is swapped, and then the others lose theirs.
    Swapping,
    /// All stop, and the data from before is put back.
    Reverting,
}

/// What a cluster was before a restore. Its data is kept on the hypervisors until the restore
/// has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Names the data.
    pub generation: Generation,
    /// The members of its etcd.
    pub members: BTreeSet<NodeName>,
}

impl Restore {
    /// Whether the cluster is stopped for it.
    pub fn is_down(&self) -> bool {
        self.stage == RestoreStage::AtOnce || self.before.is_some()
    }

    /// Names the data from before on hypervisors.
    pub fn kept(&self) -> Generation {
        self.before.as_ref().map_or(self.generation, |before| before.generation)
    }
}

impl Cluster {
    /// Whether it is being made of a backup that is not its own: it has nothing to go back to.
    pub fn is_of_backup(&self) -> bool {
        self.restore.as_ref().is_some_and(|r| !self.backups.contains_key(&r.backup))
    }

    /// Whether a node's member takes the data of the restore that is on its way.
    pub fn is_first_restored(&self, name: &NodeName) -> bool {
        let members = self.control_planes();
        let named = self.restore.as_ref().and_then(|restore| restore.first.as_ref());
        let there = named.filter(|first| members.iter().any(|(n, _)| n == first));
        there.or(members.first().map(|(oldest, _)| *oldest)) == Some(name)
    }

    /// Whether the restore that is on its way waits for a node.
    pub(crate) fn is_restored(&self, name: &NodeName, node: &Node) -> bool {
        node.role != Role::ControlPlaneIngress && !node.removing && !self.is_given_up(name)
    }

    /// Whether the restore that is on its way does without a node.
    pub(crate) fn is_given_up(&self, name: &NodeName) -> bool {
        self.restore.as_ref().is_some_and(|restore| restore.given_up.contains(name))
    }

    /// What an abort of the restore that is on its way returns to: what was before the first of
    /// several, and whoever has joined that since.
    pub(crate) fn kept(&self, generation: Generation) -> Before {
        let now = self.before(generation);
        let Some(restore) = &self.restore else { return now };
        let Some(mut before) = restore.before.clone() else { return now };
        if restore.stage == RestoreStage::Reverting {
            before.members.extend(now.members);
        }
        before
    }

    /// The members as they are.
    pub(crate) fn before(&self, generation: Generation) -> Before {
        let members = self.control_planes().into_iter().filter(|(_, n)| n.joined);
        Before { generation, members: members.map(|(name, _)| name.clone()).collect() }
    }
}

impl State {
    /// Another cluster that is being made of a cluster's backup, or of any of them.
    pub fn cloned_from(&self, uid: ClusterUid, backup: Option<BackupId>) -> Option<&ClusterName> {
        let of = |c: &Cluster| {
            c.uid != uid
                && c.restore.as_ref().is_some_and(|r| {
                    r.source == uid && backup.is_none_or(|backup| r.backup == backup)
                })
        };
        self.clusters.iter().find(|(_, c)| of(c)).map(|(name, _)| name)
    }
}
