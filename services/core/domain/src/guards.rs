//! What decisions ask first: whether a cluster is there, stays, runs.

use crate::backup::commands::REFERENCES;
use crate::cluster::{Cluster, ClusterPhase};
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{BackupId, ClusterName, Generation};

/// The generation that a decision gives: the position that its commit will have.
pub(crate) fn next_generation(state: &State) -> Generation {
    Generation(state.position + 1)
}

pub(crate) fn known<'a>(state: &'a State, name: &ClusterName) -> Result<&'a Cluster, Rejection> {
    state.clusters.get(name).map(|c| &**c).ok_or_else(|| Rejection::ClusterUnknown(name.clone()))
}

/// A name that no cluster has.
pub(crate) fn unused(state: &State, name: &ClusterName) -> Result<(), Rejection> {
    let Some(cluster) = state.clusters.get(name) else { return Ok(()) };
    if cluster.backups_until_ms.is_some() {
        return Err(Rejection::BackupsKept(name.clone()));
    }
    staying(state, name)?;
    Err(Rejection::ClusterExists(name.clone()))
}

/// No other cluster is being made of one backup of a cluster, or of any of them.
pub(crate) fn unreferenced(
    state: &State,
    name: &ClusterName,
    cluster: &Cluster,
    backup: Option<BackupId>,
) -> Result<(), Rejection> {
    match state.cloned_from(cluster.uid, backup).cloned() {
        Some(by) if state.level() >= REFERENCES => {
            Err(Rejection::BackupInUse { cluster: name.clone(), by })
        }
        _ => Ok(()),
    }
}

/// A cluster that is to stay.
pub(crate) fn staying<'a>(state: &'a State, name: &ClusterName) -> Result<&'a Cluster, Rejection> {
    let cluster = known(state, name)?;
    if cluster.phase == ClusterPhase::Deleting {
        return Err(Rejection::ClusterDeleting(name.clone()));
    }
    if cluster.delete_at_ms.is_some() {
        return Err(Rejection::DeletionScheduled(name.clone()));
    }
    Ok(cluster)
}

/// A cluster that no restore has stopped. One that is still unpacked is in nobody's way.
pub(crate) fn standing<'a>(state: &'a State, name: &ClusterName) -> Result<&'a Cluster, Rejection> {
    let cluster = running(state, name)?;
    if cluster.is_down() { Err(Rejection::RestoreRunning(name.clone())) } else { Ok(cluster) }
}

/// A cluster that runs, and is not being restored.
pub(crate) fn settled<'a>(state: &'a State, name: &ClusterName) -> Result<&'a Cluster, Rejection> {
    let cluster = running(state, name)?;
    if cluster.restore.is_some() {
        Err(Rejection::RestoreRunning(name.clone()))
    } else {
        Ok(cluster)
    }
}

/// A cluster whose nodes can be changed.
pub(crate) fn running<'a>(state: &'a State, name: &ClusterName) -> Result<&'a Cluster, Rejection> {
    let cluster = staying(state, name)?;
    if cluster.hibernated { Err(Rejection::ClusterHibernated(name.clone())) } else { Ok(cluster) }
}
