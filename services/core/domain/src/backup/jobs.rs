//! The jobs that backups and restores owe.

use crate::backup::Backup;
use crate::cluster::{Cluster, ClusterPhase};
use crate::jobs::job_of_cluster;
use crate::node::Node;
use oi_events::{BackupId, ClusterName, Job, JobKind, JobTarget, Role};
use std::sync::Arc;

/// Backups that are not taken yet, while a member can be asked; those that are to go.
pub(crate) fn owed(name: &ClusterName, cluster: &Cluster) -> Vec<Job> {
    if cluster.phase == ClusterPhase::Deleting {
        // All of them go with the key.
        return Vec::new();
    }
    let answers = !cluster.hibernated
        && cluster.restore.is_none()
        && cluster.control_planes().iter().any(|(_, n)| n.joined);
    let step = |b: &Backup| match (b.expired, &b.snapshot) {
        (true, _) => Some(JobKind::DropBackup),
        (false, None) if answers => Some(JobKind::TakeBackup),
        _ => None,
    };
    let job = |(id, b): (&BackupId, &Backup)| {
        let (kind, generation) = (step(b)?, b.generation);
        let (cluster_name, backup) = (name.clone(), *id);
        let target = JobTarget::Backup { cluster: cluster_name, backup, generation, step: kind };
        Some(job_of_cluster(name, cluster.uid, &target))
    };
    cluster.backups.iter().filter_map(job).collect()
}

/// What a restore asks of a node before it starts again: all of the cluster stop, then
/// all data is put in place. None where it may start.
pub(crate) fn owed_by_restore(cluster: &Cluster, node: &Node) -> Option<Vec<JobKind>> {
    cluster.restore.as_ref().filter(|_| node.role != Role::ControlPlaneIngress)?;
    let mine = |n: &&Arc<Node>| n.role != Role::ControlPlaneIngress && !n.removing;
    let all = |step: JobKind, of: fn(&Node) -> bool| {
        cluster.nodes.values().filter(mine).filter(|n| of(n)).all(|n| n.done.contains(&step))
    };
    let missing = |step: JobKind| if node.done.contains(&step) { vec![] } else { vec![step] };
    if !all(JobKind::StopNode, |_| true) {
        return Some(missing(JobKind::StopNode));
    }
    let is_member = |n: &Node| n.role == Role::ControlPlane;
    if !all(JobKind::RestoreEtcd, is_member) {
        let steps = if is_member(node) { missing(JobKind::RestoreEtcd) } else { vec![] };
        return Some(steps);
    }
    None
}
