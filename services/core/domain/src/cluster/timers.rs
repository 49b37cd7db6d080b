//! Scheduled deletions.

use crate::backup::commands::REFERENCES;
use crate::cluster::{Cluster, ClusterPhase};
use crate::state::State;
use oi_events::{ClusterName, Command, DeleteClusterV2, KeepBackupsV1};

/// The deletion, then that of the backups that outlive it, once its time has come, and no other
/// cluster is being made of it.
pub(crate) fn due(
    state: &State,
    name: &ClusterName,
    cluster: &Cluster,
    now_ms: u64,
) -> Option<Command> {
    let staying = cluster.phase != ClusterPhase::Deleting;
    let at_ms = if staying { cluster.delete_at_ms } else { cluster.backups_until_ms };
    at_ms.filter(|at| *at <= now_ms)?;
    if state.level() >= REFERENCES && state.cloned_from(cluster.uid, None).is_some() {
        return None;
    }
    let name = name.clone();
    Some(if staying {
        DeleteClusterV2 { name, forget_orphans: false }.into()
    } else {
        KeepBackupsV1 { name, for_ms: 0 }.into()
    })
}
