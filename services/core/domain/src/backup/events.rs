//! What events about backups and restores change.

use crate::backup::{Backup, BackupSchedule, Restore};
use crate::job::events::forget_failures;
use crate::node::events::change_node;
use crate::state::State;
use oi_events::{BackupEvent, BackupId, ClusterName, NodeName};
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
        BackupEvent::RestoreStarted(e) => {
            let Some(c) = state.cluster_mut(&e.cluster) else { return };
            let (backup, source, snapshot) = (e.backup, e.source, e.snapshot.clone());
            c.restore = Some(Restore { backup, source, snapshot });
            let nodes: Vec<NodeName> = c.nodes.keys().cloned().collect();
            for node in nodes {
                change_node(state, &e.cluster, &node, e.generation);
            }
        }
        BackupEvent::RestoreEnded(e) => {
            if let Some(c) = state.cluster_mut(&e.cluster) {
                c.restore = None;
            }
        }
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
        BackupEvent::RestoreStarted(e) => {
            format!("to be what backup {} holds", e.backup)
        }
        BackupEvent::RestoreEnded(e) => format!("backup {} restored", e.backup),
    }
}

fn backup_mut<'a>(
    state: &'a mut State,
    cluster: &ClusterName,
    backup: BackupId,
) -> Option<&'a mut Backup> {
    state.cluster_mut(cluster)?.backups.get_mut(&backup)
}

/// The oldest member begins a new membership, which the others join.
pub(crate) fn restored(state: &mut State, cluster: &ClusterName, node: &NodeName) {
    let Some(c) = state.cluster_mut(cluster) else { return };
    let first = c.is_oldest(node);
    if let Some(n) = c.nodes.get_mut(node).map(Arc::make_mut) {
        (n.joined, n.broken) = (first, false);
    }
}
