//! Backups that are more than are to be kept.

use crate::backup::commands::REFERENCES;
use crate::cluster::Cluster;
use crate::state::State;
use oi_events::{BackupExpiredV1, ClusterName, Event, Generation};

/// The oldest one that is more than are to be kept, unless something is made of it. `state` has
/// all clusters.
pub(crate) fn expired(
    state: &State,
    cluster: &Cluster,
    name: &ClusterName,
    generation: Generation,
) -> Option<Event> {
    let keep = cluster.schedule.as_ref().map(|s| s.keep as usize).filter(|&n| n > 0)?;
    let kept = cluster.backups.iter().filter(|(_, b)| !b.expired && b.snapshot.is_some());
    let mut kept: Vec<_> = kept.map(|(id, b)| (b.started_ms, *id)).collect();
    kept.sort();
    let (_, oldest) = kept.into_iter().rev().nth(keep)?;
    let others =
        state.level() >= REFERENCES && state.cloned_from(cluster.uid, Some(oldest)).is_some();
    let own = cluster.restore.as_ref().is_some_and(|r| r.backup == oldest);
    let (cluster, backup) = (name.clone(), oldest);
    (!own && !others).then(|| BackupExpiredV1 { cluster, backup, generation }.into())
}
