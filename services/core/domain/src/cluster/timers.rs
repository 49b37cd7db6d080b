//! Scheduled deletions.

use crate::cluster::{Cluster, ClusterPhase};
use oi_events::{ClusterName, Command, DeleteClusterV2};

/// The deletion, once its time has come.
pub(crate) fn due(name: &ClusterName, cluster: &Cluster, now_ms: u64) -> Option<Command> {
    let staying = cluster.phase != ClusterPhase::Deleting;
    cluster.delete_at_ms.filter(|at| staying && *at <= now_ms)?;
    Some(DeleteClusterV2 { name: name.clone(), forget_orphans: false }.into())
}
