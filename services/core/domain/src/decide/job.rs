//! Decisions about the outcomes of jobs.

use super::node::members_changed;
use super::{backup, next_generation};
use crate::owed::{JobTarget, is_unfinished};
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{
    BackupDeletedV1, CancelJobV1, ClusterDeletedV1, ClusterName, DeleteBackupV1, Event,
    JobDeadLetteredV1, JobFailedV1, JobKind, JobResult, JobRetriedV1, JobSucceededV1, NodeName,
    NodeRemovedV1, OrphanRemovedV1, ReportJobV1, RetryJobV1,
};

/// The pause after the nth failure: 1 s, 2 s, 4 s … up to a minute.
fn pause_ms(attempt: u32) -> u64 {
    (1000_u64 << attempt.saturating_sub(1).min(6)).min(60_000)
}

/// A report about what is no longer owed (done already, or of an older
/// generation) changes nothing.
pub(super) fn report(state: &State, c: &ReportJobV1, now_ms: u64) -> Result<Vec<Event>, Rejection> {
    if !is_unfinished(state, &c.job) {
        return Ok(Vec::new());
    }
    match &c.result {
        JobResult::Succeeded => Ok(succeeded(state, c)),
        JobResult::Failed(message) => {
            let attempt = state.failures.get(&c.job).map_or(0, |t| t.attempts).saturating_add(1);
            Ok(vec![
                JobFailedV1 {
                    job: c.job.clone(),
                    attempt,
                    message: message.clone(),
                    retry_at_ms: now_ms.saturating_add(pause_ms(attempt)),
                }
                .into(),
            ])
        }
        JobResult::DeadLettered => Ok(vec![JobDeadLetteredV1 { job: c.job.clone() }.into()]),
    }
}

fn succeeded(state: &State, c: &ReportJobV1) -> Vec<Event> {
    let mut events: Vec<Event> =
        vec![JobSucceededV1 { job: c.job.clone(), took_ms: c.took_ms }.into()];
    match JobTarget::parse(&c.job) {
        Some(JobTarget::Node { cluster, node, step: JobKind::RemoveNode, .. }) => {
            events.push(NodeRemovedV1 { cluster, name: node }.into());
        }
        Some(JobTarget::Cluster { name, step: JobKind::ShredKey, .. }) => {
            if let Some(cluster) = state.clusters.get(&name) {
                events.push(ClusterDeletedV1 { name, uid: cluster.uid }.into());
            }
        }
        Some(JobTarget::Orphan { hypervisor, cluster_uid, node, .. }) => {
            events.push(OrphanRemovedV1 { hypervisor, cluster_uid, node }.into());
        }
        Some(JobTarget::Node { cluster, node, step: JobKind::EnsureEtcd, .. }) => {
            events.extend(first_join(state, &cluster, &node));
        }
        Some(JobTarget::Backup { cluster, backup, step: JobKind::DropBackup, .. }) => {
            events.push(BackupDeletedV1 { cluster, backup }.into());
        }
        Some(
            JobTarget::Node { .. }
            | JobTarget::Hypervisor { .. }
            | JobTarget::Backup { .. }
            | JobTarget::Cluster { .. },
        )
        | None => {}
    }
    events
}

/// A member that is new beside others is made known.
fn first_join(state: &State, name: &ClusterName, node: &NodeName) -> Vec<Event> {
    let Some(cluster) = state.clusters.get(name) else { return Vec::new() };
    let joined = |n: &NodeName| cluster.nodes.get(n).is_some_and(|n| n.joined);
    if joined(node) || !cluster.nodes.keys().any(joined) {
        return Vec::new();
    }
    members_changed(cluster, name, next_generation(state))
}

/// What is owed follows from what was asked for: but for a backup, it is the asking that
/// has to be taken back.
pub(super) fn cancel(state: &State, c: &CancelJobV1) -> Result<Vec<Event>, Rejection> {
    let unknown = || Rejection::JobUnknown(c.job.clone());
    let target =
        JobTarget::parse(&c.job).filter(|_| is_unfinished(state, &c.job)).ok_or_else(unknown)?;
    let instead = match target {
        JobTarget::Backup { cluster, backup, step: JobKind::TakeBackup, .. } => {
            return backup::delete(state, &DeleteBackupV1 { cluster, backup });
        }
        JobTarget::Node { step, .. } => match step {
            JobKind::EnsureEtcd | JobKind::EnsureControlPlane | JobKind::EnsureIngress => {
                "its node is wanted: remove the node instead"
            }
            JobKind::StopNode | JobKind::RestoreEtcd => {
                "the cluster hibernates or is restored: wake it up, or delete it, instead"
            }
            _ => "its node was removed, and what runs of it must not stay",
        },
        JobTarget::Hypervisor { .. } => "its hypervisor is registered: unregister it instead",
        JobTarget::Orphan { .. } => {
            "what is left of a node must not stay: if the hypervisor is lost, forget its orphans instead (`oi hypervisor forget-orphans`)"
        }
        JobTarget::Cluster { step: JobKind::ReconcileAddons, .. } => {
            "it keeps what is to be inside of the cluster: change that instead (`oi cluster addons`)"
        }
        JobTarget::Backup { .. } | JobTarget::Cluster { .. } => {
            "what was deleted must not stay readable"
        }
    };
    Err(Rejection::JobNeeded { job: c.job.clone(), instead })
}

pub(super) fn retry(state: &State, c: &RetryJobV1) -> Result<Vec<Event>, Rejection> {
    match state.failures.get(&c.job) {
        None => Err(Rejection::JobUnknown(c.job.clone())),
        Some(failure) if failure.retry_at_ms.is_none() => Ok(Vec::new()),
        Some(_) => Ok(vec![JobRetriedV1 { job: c.job.clone() }.into()]),
    }
}
