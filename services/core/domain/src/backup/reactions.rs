//! Backups that are more than are to be kept, and restores that have ended.

use crate::backup::Restore;
use crate::backup::commands::REFERENCES;
use crate::cluster::Cluster;
use crate::node::commands::{ingresses_changed, members_changed};
use crate::state::State;
use oi_events::{
    BackupExpiredV1, ClusterName, Event, Generation, NodeName, NodeRemovalStartedV1, RestoreEndedV1,
};

/// One that is more than are to be kept, and that nothing is made of. `state` has all clusters.
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
    let mut surplus = kept.into_iter().rev().skip(keep).map(|(_, id)| id);
    let is_own = |id| cluster.restore.as_ref().is_some_and(|r| r.backup == id);
    let backup = if state.level() >= REFERENCES {
        let is_used = |id| is_own(id) || state.cloned_from(cluster.uid, Some(id)).is_some();
        surplus.find(|&id| !is_used(id))?
    } else {
        surplus.next().filter(|&id| !is_own(id))?
    };
    Some(BackupExpiredV1 { cluster: name.clone(), backup, generation }.into())
}

/// The restore has ended, and its data serves: whom it did without goes.
pub(crate) fn ended(
    cluster: &Cluster,
    name: &ClusterName,
    restore: &Restore,
    generation: Generation,
) -> Vec<Event> {
    let mut events: Vec<Event> =
        vec![RestoreEndedV1 { cluster: name.clone(), backup: restore.backup }.into()];
    let stays = |node: &&NodeName| cluster.nodes.get(*node).is_some_and(|n| !n.removing);
    let removed = |node: &NodeName| {
        NodeRemovalStartedV1 { cluster: name.clone(), name: node.clone(), generation }.into()
    };
    let removed: Vec<Event> = restore.given_up.iter().filter(stays).map(removed).collect();
    if !removed.is_empty() {
        events.extend(removed);
        events.extend(ingresses_changed(cluster, name, generation));
        events.extend(members_changed(cluster, name, generation));
    }
    events
}
