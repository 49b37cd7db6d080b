//! The jobs that backups and restores owe.

use crate::backup::{Backup, RestoreStage};
use crate::cluster::{Cluster, ClusterPhase};
use crate::jobs::job_of_cluster;
use crate::node::Node;
use oi_events::{BackupId, ClusterName, Job, JobKind, JobTarget, NodeName, Role};

/// Backups that are not taken yet, while a member can be asked; those that are to go.
pub(crate) fn owed(name: &ClusterName, cluster: &Cluster) -> Vec<Job> {
    if cluster.phase == ClusterPhase::Deleting {
        // All of them go with the key.
        return Vec::new();
    }
    let answers = !cluster.hibernated
        && !cluster.is_down()
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

/// What a restore asks of a node before it starts again: all of the cluster stop, then all data
/// is put in place, the first member's before the others lose theirs. None where it may start.
pub(crate) fn owed_by_restore(
    cluster: &Cluster,
    name: &NodeName,
    node: &Node,
) -> Option<Vec<JobKind>> {
    let restore = cluster.restore.as_ref().filter(|_| node.role != Role::ControlPlaneIngress)?;
    if restore.stage == RestoreStage::Staging {
        return restore.is_down().then(|| staging(cluster, name).into_iter().collect());
    }
    let all = |step: JobKind, of: &dyn Fn(&NodeName, &Node) -> bool| {
        let mut nodes = cluster.nodes.iter().filter(|(name, n)| cluster.is_restored(name, n));
        nodes.all(|(name, n)| !of(name, n) || n.done.contains(&step))
    };
    let missing = |step: JobKind| if node.done.contains(&step) { vec![] } else { vec![step] };
    // One that was away keeps what it has, and stays out of the way.
    if cluster.is_given_up(name) || !all(JobKind::StopNode, &|_, _| true) {
        return Some(missing(JobKind::StopNode));
    }
    let is_member = |n: &Node| n.role == Role::ControlPlane;
    let in_turn = restore.stage == RestoreStage::Swapping;
    let is_first = |name: &NodeName| !in_turn || cluster.is_first_restored(name);
    if !all(JobKind::RestoreEtcd, &|_, n| is_member(n)) {
        let first_is_done = all(JobKind::RestoreEtcd, &|name, n| is_member(n) && is_first(name));
        let is_next = is_member(node) && (first_is_done || is_first(name));
        return Some(if is_next { missing(JobKind::RestoreEtcd) } else { vec![] });
    }
    None
}

/// The step that unpacks a backup beside the data of a member, which goes on meanwhile.
pub(crate) fn staging(cluster: &Cluster, name: &NodeName) -> Option<JobKind> {
    let is_staging = cluster.restore.as_ref()?.stage == RestoreStage::Staging;
    (is_staging && cluster.is_first_restored(name)).then_some(JobKind::StageRestore)
}
