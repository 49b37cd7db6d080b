//! Decisions about the outcomes of jobs.

use crate::backup;
use crate::decide::Context;
use crate::guards::next_generation;
use crate::job::Retry;
use crate::jobs::is_unfinished;
use crate::node::commands::members_changed;
use crate::rejection::Rejection;
use crate::state::State;
use crate::upgrade::commands::images_missing;
use oi_events::{
    BackupDeletedV1, CancelJobV1, ClusterDeletedV1, ClusterName, DeleteBackupV1, Event,
    FailureClass, JobCommand, JobDeadLetteredV2, JobFailedV1, JobId, JobKind, JobOutput, JobResult,
    JobRetriedV1, JobSucceededV1, JobTarget, NodeName, NodeRemovedV1, OrphanRemovedV1, ReportJobV2,
    RetryJobV1, shorten,
};

/// Decides a command.
pub(crate) fn decide(
    state: &State,
    command: &JobCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match command {
        JobCommand::ReportJob(c) => report(state, c, context.now_ms),
        JobCommand::RetryJob(c) => retry(state, c),
        JobCommand::CancelJob(c) => cancel(state, c),
    }
}

/// The pause after the nth failure: 1 s, 2 s, 4 s … up to a minute.
fn pause_ms(attempt: u32) -> u64 {
    (1000_u64 << attempt.saturating_sub(1).min(6)).min(60_000)
}

/// The level from which on texts are recorded no longer than fits.
const SHORTENED: u16 = 4;

/// A report about what is no longer owed (done already, or of an older
/// generation) changes nothing.
fn report(state: &State, c: &ReportJobV2, now_ms: u64) -> Result<Vec<Event>, Rejection> {
    if !is_unfinished(state, &c.job) {
        return Ok(Vec::new());
    }
    let attempts = state.failures.get(&c.job).map_or(0, |t| t.attempts);
    let failed = attempts.saturating_add(1);
    let job = c.job.clone();
    let told = |message: &String| {
        let message = message.clone();
        if state.level() >= SHORTENED { shorten(message) } else { message }
    };
    let again = |message: String| -> Event {
        let retry_at_ms = now_ms.saturating_add(pause_ms(failed));
        JobFailedV1 { job: job.clone(), attempt: failed, message, retry_at_ms }.into()
    };
    let given_up = |attempts: u32, message: String| -> Event {
        JobDeadLetteredV2 { job: job.clone(), attempts, message }.into()
    };
    let (event, hopeless) = match &c.result {
        JobResult::Succeeded(output) => {
            let without = || vec![again("it was reported done without its output".to_owned())];
            return Ok(succeeded(state, c, output).unwrap_or_else(without));
        }
        JobResult::Failed { message, class: FailureClass::Transient } => {
            (again(told(message)), false)
        }
        JobResult::Failed { message, class: FailureClass::Permanent } => {
            (given_up(failed, told(message)), true)
        }
        // How often it failed before is known already.
        JobResult::DeadLettered => {
            (given_up(0, "delivered too often without any outcome".to_owned()), true)
        }
    };
    let follows = what_follows(state, &c.job, failed, hopeless);
    Ok([event].into_iter().chain(follows).collect())
}

/// What follows from a failure: an upgrade without its images goes back, and a restore whose
/// backup cannot be unpacked ends.
fn what_follows(state: &State, job: &JobId, tries: u32, hopeless: bool) -> Option<Event> {
    match JobTarget::parse(job)? {
        JobTarget::Node { cluster, node, step: JobKind::PullImages, .. } => {
            images_missing(state, &cluster, &node, tries, hopeless)
        }
        JobTarget::Node { cluster, step: JobKind::StageRestore, .. } if hopeless => {
            backup::restore::not_staged(state, &cluster)
        }
        _ => None,
    }
}

/// What holds now that a job has succeeded; none where its output is not what it must be.
fn succeeded(state: &State, c: &ReportJobV2, output: &JobOutput) -> Option<Vec<Event>> {
    let target = JobTarget::parse(&c.job)?;
    let mut events: Vec<Event> =
        vec![JobSucceededV1 { job: c.job.clone(), took_ms: c.took_ms }.into()];
    match (target, output) {
        (JobTarget::Backup { cluster, backup, step: JobKind::TakeBackup, .. }, output) => {
            let JobOutput::Backup(snapshot) = output else { return None };
            events.extend(backup::commands::taken(state, &cluster, backup, snapshot));
        }
        (_, JobOutput::Backup(_)) => return None,
        (JobTarget::Orphan { hypervisor, cluster_uid, node, .. }, JobOutput::None) => {
            events.push(OrphanRemovedV1 { hypervisor, cluster_uid, node }.into());
        }
        (JobTarget::Backup { cluster, backup, .. }, JobOutput::None) => {
            events.push(BackupDeletedV1 { cluster, backup }.into());
        }
        (JobTarget::Cluster { name, step, .. }, JobOutput::None) => {
            if step == JobKind::ShredKey
                && let Some(cluster) = state.clusters.get(&name)
            {
                events.push(ClusterDeletedV1 { name, uid: cluster.uid }.into());
            }
        }
        (JobTarget::Node { cluster, node, step, .. }, JobOutput::None) => {
            if step == JobKind::RemoveNode {
                events.push(NodeRemovedV1 { cluster, name: node }.into());
            } else if step == JobKind::StageRestore {
                events.extend(backup::restore::staged(state, &cluster));
            } else if step == JobKind::EnsureEtcd {
                events.extend(first_join(state, &cluster, &node));
            }
        }
        (JobTarget::Hypervisor { .. }, JobOutput::None) => {}
    }
    Some(events)
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
fn cancel(state: &State, c: &CancelJobV1) -> Result<Vec<Event>, Rejection> {
    let unknown = || Rejection::JobUnknown(c.job.clone());
    let target =
        JobTarget::parse(&c.job).filter(|_| is_unfinished(state, &c.job)).ok_or_else(unknown)?;
    if let JobTarget::Backup { cluster, backup, step: JobKind::TakeBackup, .. } = target {
        return backup::commands::delete(state, &DeleteBackupV1 { cluster, backup });
    }
    let instead = match target.kind() {
        JobKind::EnsureEtcd | JobKind::EnsureControlPlane | JobKind::EnsureIngress => {
            "its node is wanted: remove the node instead"
        }
        JobKind::StopNode | JobKind::RestoreEtcd => {
            "the cluster hibernates or is restored: wake it up, or abort the restore (`oi cluster restore --abort`), instead"
        }
        JobKind::StageRestore => {
            "the cluster is restored: abort that instead (`oi cluster restore --abort`)"
        }
        JobKind::RemoveNode | JobKind::LeaveCluster => {
            "its node was removed, and what runs of it must not stay"
        }
        JobKind::ProbeHypervisor => "its hypervisor is registered: unregister it instead",
        JobKind::RemoveOrphan => {
            "what is left of a node must not stay: if the hypervisor is lost, forget its orphans instead (`oi hypervisor forget-orphans`)"
        }
        JobKind::ReconcileAddons => {
            "it keeps what is to be inside of the cluster: change that instead (`oi cluster addons`)"
        }
        JobKind::PullImages => {
            "the upgrade of its cluster waits for it: take that back instead (`oi cluster upgrade --rollback`)"
        }
        JobKind::TakeBackup | JobKind::DropBackup | JobKind::ShredKey => {
            "what was deleted must not stay readable"
        }
    };
    Err(Rejection::JobNeeded { job: c.job.clone(), instead })
}

fn retry(state: &State, c: &RetryJobV1) -> Result<Vec<Event>, Rejection> {
    match state.failures.get(&c.job) {
        None => Err(Rejection::JobUnknown(c.job.clone())),
        Some(failure) if failure.retry == Retry::Now => Ok(Vec::new()),
        Some(_) => Ok(vec![JobRetriedV1 { job: c.job.clone() }.into()]),
    }
}
