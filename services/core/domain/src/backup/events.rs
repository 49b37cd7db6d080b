//! What events about backups and restores change.

use crate::backup::restore::{STAGED, first, without_in_return, without_in_swap};
use crate::backup::{Backup, BackupSchedule, Restore, RestoreStage};
use crate::cluster::{Cluster, ClusterPhase};
use crate::job::events::forget_failures;
use crate::node::events::change_nodes;
use crate::state::State;
use oi_events::{
    BackupEvent, BackupId, ClusterName, Generation, JobKind, NodeName, RestoreStartedV1, Role,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &BackupEvent) {
    match event {
        BackupEvent::BackupStarted(e) => {
            let started_ms = state.time_ms;
            if let Some(c) = state.cluster_mut(&e.cluster) {
                let generation = e.generation;
                let backup = Backup { generation, started_ms, snapshot: None, expired: false };
                c.backups.insert(e.backup, backup);
            }
        }
        BackupEvent::BackupTaken(e) => {
            if let Some(b) = backup_mut(state, &e.cluster, e.backup) {
                b.snapshot = Some(e.snapshot.clone());
            }
            forget_failures(state, |t| t.backup() == Some(e.backup));
        }
        BackupEvent::BackupExpired(e) => {
            if let Some(b) = backup_mut(state, &e.cluster, e.backup) {
                (b.expired, b.generation) = (true, e.generation);
            }
            forget_failures(state, |t| t.backup() == Some(e.backup));
        }
        BackupEvent::BackupDeleted(e) => {
            if let Some(c) = state.cluster_mut(&e.cluster) {
                c.backups.remove(&e.backup);
            }
            forget_failures(state, |t| t.backup() == Some(e.backup));
        }
        BackupEvent::BackupsScheduled(e) => {
            let (every_ms, keep, since_ms) = (e.every_ms, e.keep, state.time_ms);
            if let Some(c) = state.cluster_mut(&e.cluster) {
                c.schedule = (every_ms > 0).then_some(BackupSchedule { every_ms, keep, since_ms });
            }
        }
        BackupEvent::BackupsKept(e) => {
            let until_ms = state.time_ms.saturating_add(e.for_ms);
            if let Some(c) = state.cluster_mut(&e.cluster) {
                c.keep_backups_ms = (e.for_ms > 0).then_some(e.for_ms);
                if c.phase == ClusterPhase::Deleting {
                    c.backups_until_ms = (e.for_ms > 0).then_some(until_ms);
                    c.generation = e.generation;
                }
            }
        }
        BackupEvent::RestoreStarted(e) => {
            start_restore(state, e);
            change_nodes(state, &e.cluster, e.generation);
        }
        BackupEvent::RestoreStaged(e) => {
            let Some(c) = state.clusters.get(&e.cluster) else { return };
            let away = without_in_swap(state, c);
            if let Some(c) = state.cluster_mut(&e.cluster) {
                let before = c.before(e.generation);
                if let Some(restore) = &mut c.restore {
                    restore.stage = RestoreStage::Swapping;
                    restore.before.get_or_insert(before);
                }
                give_up(c, away);
            }
            change_nodes(state, &e.cluster, e.generation);
        }
        BackupEvent::RestoreAborted(e) => {
            let Some(c) = state.clusters.get(&e.cluster) else { return };
            let away = without_in_return(state, c);
            if let Some(c) = state.cluster_mut(&e.cluster) {
                let kept = c.kept(e.generation);
                match c.restore.as_mut().filter(|restore| restore.is_down()) {
                    Some(restore) => {
                        restore.before = Some(kept);
                        restore.stage = RestoreStage::Reverting;
                        restore.generation = e.generation;
                    }
                    None => c.restore = None,
                }
                give_up(c, away);
            }
            change_nodes(state, &e.cluster, e.generation);
        }
        BackupEvent::RestoreEnded(e) => end_restore(state, &e.cluster),
    }
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &BackupEvent) -> String {
    match event {
        BackupEvent::BackupStarted(e) => format!("backup {} asked for", e.backup),
        BackupEvent::BackupTaken(e) => {
            format!("backup {} taken, {} bytes", e.backup, e.snapshot.bytes)
        }
        BackupEvent::BackupsScheduled(e) if e.every_ms == 0 => {
            "no more backups by themselves".to_owned()
        }
        BackupEvent::BackupsScheduled(e) => match e.keep {
            0 => format!("backups every {} s, all kept", e.every_ms / 1000),
            n => format!("backups every {} s, {n} kept", e.every_ms / 1000),
        },
        BackupEvent::BackupExpired(e) => format!("backup {} to go", e.backup),
        BackupEvent::BackupDeleted(e) => format!("backup {} is gone", e.backup),
        BackupEvent::BackupsKept(e) if e.for_ms == 0 => {
            "backups not to be kept beyond the deletion".to_owned()
        }
        BackupEvent::BackupsKept(e) => {
            format!("backups to be kept for {} s after the deletion", e.for_ms / 1000)
        }
        BackupEvent::RestoreStarted(e) => {
            format!("to be what backup {} holds", e.backup)
        }
        BackupEvent::RestoreStaged(e) => {
            format!("backup {} verified and unpacked: all stop for it", e.backup)
        }
        BackupEvent::RestoreAborted(e) => {
            format!("to be what it was before the restore of backup {}", e.backup)
        }
        BackupEvent::RestoreEnded(e) => format!("restore of backup {} ended", e.backup),
    }
}

fn backup_mut<'a>(
    state: &'a mut State,
    cluster: &ClusterName,
    backup: BackupId,
) -> Option<&'a mut Backup> {
    state.cluster_mut(cluster)?.backups.get_mut(&backup)
}

fn start_restore(state: &mut State, e: &RestoreStartedV1) {
    let staged = state.level() >= STAGED;
    let Some(c) = state.clusters.get(&e.cluster) else { return };
    let first = if staged { first(state, c) } else { None };
    let is_own = c.backups.contains_key(&e.backup);
    let before = match &c.restore {
        _ if !staged => None,
        // What was before the first of several restores counts.
        Some(restore) if restore.is_down() => Some(c.kept(e.generation)),
        // It has nothing to run with yet.
        None | Some(_) => (!is_own).then(|| c.before(e.generation)),
    };
    let stage = if staged { RestoreStage::Staging } else { RestoreStage::AtOnce };
    let (backup, source, snapshot) = (e.backup, e.source, e.snapshot.clone());
    let generation = e.generation;
    if let Some(c) = state.cluster_mut(&e.cluster) {
        let given_up = Default::default();
        c.restore =
            Some(Restore { backup, source, snapshot, stage, generation, first, before, given_up });
    }
}

/// The restore goes on without these nodes, of which none is a member of what comes of it.
fn give_up(cluster: &mut Cluster, away: BTreeSet<NodeName>) {
    let Some(restore) = &mut cluster.restore else { return };
    for name in &away {
        if let Some(n) = cluster.nodes.get_mut(name) {
            Arc::make_mut(n).joined = false;
        }
    }
    restore.given_up = away;
}

/// The members then remove what they have kept of the data from before.
fn end_restore(state: &mut State, name: &ClusterName) {
    let generation = Generation(state.position + 1);
    let Some(c) = state.cluster_mut(name) else { return };
    let ended = c.restore.take();
    if ended.is_none_or(|restore| restore.stage == RestoreStage::AtOnce) {
        return;
    }
    for node in c.nodes.values_mut().filter(|n| n.role == Role::ControlPlane && !n.removing) {
        let node = Arc::make_mut(node);
        node.generation = generation;
        node.done.remove(&JobKind::EnsureEtcd);
    }
}

/// The first member begins a new membership, which the others join; where the data from before
/// is put back, the membership is that from before.
pub(crate) fn restored(state: &mut State, cluster: &ClusterName, node: &NodeName) {
    let Some(c) = state.cluster_mut(cluster) else { return };
    let Some(restore) = &c.restore else { return };
    let joined = match (restore.stage, &restore.before) {
        (RestoreStage::AtOnce, _) => c.is_oldest(node),
        (RestoreStage::Reverting, Some(before)) => before.members.contains(node),
        _ => c.is_first_restored(node),
    };
    if let Some(n) = c.nodes.get_mut(node).map(Arc::make_mut) {
        (n.joined, n.broken) = (joined, false);
    }
}
