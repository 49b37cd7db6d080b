//! Decisions about backups.

use crate::backup::restore::{abort, clone, import, restore};
use crate::cluster::ClusterPhase;
use crate::decide::Context;
use crate::guards::{known, next_generation, standing, staying, unreferenced};
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{
    BackupClusterV1, BackupCommand, BackupExpiredV1, BackupId, BackupStartedV1, BackupTakenV1,
    BackupsKeptV1, BackupsScheduledV1, ClusterName, CommandId, DeleteBackupV1, Event,
    KeepBackupsV1, Limit, ScheduleBackupsV1, SnapshotV1,
};

/// Decides a command.
pub(crate) fn decide(
    state: &State,
    id: CommandId,
    command: &BackupCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match command {
        BackupCommand::BackupCluster(c) => start(state, id, c),
        BackupCommand::ScheduleBackups(c) => schedule(state, c),
        BackupCommand::DeleteBackup(c) => delete(state, c),
        BackupCommand::RestoreCluster(c) => restore(state, c),
        BackupCommand::CloneCluster(c) => clone(state, id, c, context),
        BackupCommand::AbortRestore(c) => abort(state, c),
        BackupCommand::ImportCluster(c) => import(state, id, c, context),
        BackupCommand::KeepBackups(c) => keep(state, c),
    }
}

/// The level from which on a backup stays that another cluster is made of.
pub(crate) const REFERENCES: u16 = 4;

const SHORTEST_MS: u64 = Limit::BackupInterval.bound() as u64 * 1000;

fn start(state: &State, id: CommandId, c: &BackupClusterV1) -> Result<Vec<Event>, Rejection> {
    let cluster = standing(state, &c.name)?;
    if cluster.control_planes().iter().all(|(_, n)| !n.joined) {
        return Err(Rejection::ClusterBusy(c.name.clone()));
    }
    let (cluster, backup, generation) = (c.name.clone(), BackupId(id.0), next_generation(state));
    Ok(vec![BackupStartedV1 { cluster, backup, generation }.into()])
}

/// Only the first word on a backup counts.
pub(crate) fn taken(
    state: &State,
    cluster: &ClusterName,
    backup: BackupId,
    snapshot: &SnapshotV1,
) -> Vec<Event> {
    let known = state.clusters.get(cluster).and_then(|c| c.backups.get(&backup));
    if known.is_none_or(|b| b.snapshot.is_some() || b.expired) {
        return Vec::new();
    }
    let (cluster, snapshot) = (cluster.clone(), snapshot.clone());
    vec![BackupTakenV1 { cluster, backup, snapshot }.into()]
}

fn schedule(state: &State, c: &ScheduleBackupsV1) -> Result<Vec<Event>, Rejection> {
    let cluster = staying(state, &c.name)?;
    if c.every_ms > 0 && c.every_ms < SHORTEST_MS {
        return Err(Rejection::Invalid {
            field: "every",
            value: format!("{} ms", c.every_ms),
            problem: Limit::BackupInterval.problem().to_owned(),
        });
    }
    let standing = cluster.schedule.as_ref().map(|s| (s.every_ms, s.keep));
    if standing == (c.every_ms > 0).then_some((c.every_ms, c.keep)) {
        return Ok(Vec::new());
    }
    let (cluster, every_ms, keep) = (c.name.clone(), c.every_ms, c.keep);
    Ok(vec![BackupsScheduledV1 { cluster, every_ms, keep }.into()])
}

fn keep(state: &State, c: &KeepBackupsV1) -> Result<Vec<Event>, Rejection> {
    let cluster = known(state, &c.name)?;
    let kept = cluster.backups_until_ms.is_some();
    if cluster.phase == ClusterPhase::Deleting {
        if !kept {
            return Err(Rejection::ClusterDeleting(c.name.clone()));
        }
        if c.for_ms == 0 {
            unreferenced(state, &c.name, cluster, None)?;
        }
    } else if cluster.keep_backups_ms.unwrap_or(0) == c.for_ms {
        return Ok(Vec::new());
    }
    let (cluster, for_ms, generation) = (c.name.clone(), c.for_ms, next_generation(state));
    Ok(vec![BackupsKeptV1 { cluster, for_ms, generation }.into()])
}

pub(crate) fn delete(state: &State, c: &DeleteBackupV1) -> Result<Vec<Event>, Rejection> {
    let cluster = staying(state, &c.cluster)?;
    let (name, backup) = (c.cluster.clone(), c.backup);
    match cluster.backups.get(&backup) {
        None => Err(Rejection::BackupUnknown { cluster: name, backup }),
        Some(b) if b.expired => Ok(Vec::new()),
        Some(_) if cluster.restore.as_ref().is_some_and(|r| r.backup == backup) => {
            Err(Rejection::RestoreRunning(name))
        }
        Some(_) => {
            unreferenced(state, &name, cluster, Some(backup))?;
            let generation = next_generation(state);
            Ok(vec![BackupExpiredV1 { cluster: name, backup, generation }.into()])
        }
    }
}
