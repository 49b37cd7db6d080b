//! When the next scheduled backup is due.

use crate::cluster::{Cluster, ClusterPhase};
use oi_events::{BackupClusterV1, ClusterName, Command};

/// The next scheduled backup.
pub(crate) fn due(name: &ClusterName, cluster: &Cluster, now_ms: u64) -> Option<Command> {
    is_due(cluster, now_ms).then(|| BackupClusterV1 { name: name.clone() }.into())
}

/// So long after the last one that another is to be taken; none while one is owed.
fn is_due(cluster: &Cluster, now_ms: u64) -> bool {
    let Some(schedule) = &cluster.schedule else { return false };
    let runs = !cluster.hibernated && !cluster.is_down();
    let owed = cluster.backups.values().any(|b| b.snapshot.is_none() && !b.expired);
    let last = cluster.backups.values().map(|b| b.started_ms).max().unwrap_or(0);
    let last = last.max(schedule.since_ms);
    runs && cluster.phase == ClusterPhase::Ready
        && !owed
        && last.saturating_add(schedule.every_ms) <= now_ms
}
