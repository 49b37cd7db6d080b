//! What events about jobs change.

use crate::addons::events::addons_mut;
use crate::backup::events::restored;
use crate::job::{JobFailure, Retry};
use crate::state::State;
use crate::upgrade::events::{images_found, served};
use oi_events::{ClusterName, JobEvent, JobId, JobKind, JobTarget, NodeName};

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &JobEvent) {
    match event {
        JobEvent::JobSucceeded(e) => job_done(state, &e.job),
        JobEvent::JobFailed(e) => {
            state.failures.insert(
                e.job.clone(),
                JobFailure {
                    attempts: e.attempt,
                    message: e.message.clone(),
                    retry: Retry::At(e.retry_at_ms),
                },
            );
        }
        JobEvent::JobRetried(e) => {
            if let Some(t) = state.failures.get_mut(&e.job) {
                t.retry = Retry::Now;
            }
        }
        JobEvent::JobDeadLettered(e) => {
            let before = state.failures.get(&e.job).map_or(0, |t| t.attempts);
            let (attempts, message) = (before.max(e.attempts), e.message.clone());
            state
                .failures
                .insert(e.job.clone(), JobFailure { attempts, message, retry: Retry::ByHand });
        }
    }
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &JobEvent) -> String {
    match event {
        JobEvent::JobSucceeded(e) => format!("done in {} ms", e.took_ms),
        JobEvent::JobFailed(e) => {
            format!("failed (attempt {}): {}", e.attempt, e.message)
        }
        JobEvent::JobRetried(_) => "due again".to_owned(),
        JobEvent::JobDeadLettered(e) => format!("not tried again: {}", e.message),
    }
}

fn job_done(state: &mut State, job: &JobId) {
    state.failures.remove(job);
    let Some(target) = JobTarget::parse(job) else { return };
    match target.kind() {
        JobKind::ProbeHypervisor => prepared(state, &target),
        JobKind::EnsureEtcd
        | JobKind::EnsureControlPlane
        | JobKind::EnsureIngress
        | JobKind::LeaveCluster
        | JobKind::StopNode
        | JobKind::RestoreEtcd => node_step_done(state, &target),
        JobKind::ReconcileAddons => addons_done(state, &target),
        JobKind::PullImages => {
            if let JobTarget::Node { cluster, node, .. } = &target {
                images_found(state, cluster, node);
            }
        }
        // Events of their own say what follows.
        JobKind::RemoveNode
        | JobKind::ShredKey
        | JobKind::RemoveOrphan
        | JobKind::TakeBackup
        | JobKind::DropBackup
        | JobKind::StageRestore => {}
    }
}

fn prepared(state: &mut State, target: &JobTarget) {
    if let JobTarget::Hypervisor { name, generation, .. } = target
        && let Some(h) = state.hypervisor_mut(name)
        && h.generation == *generation
    {
        h.prepared = true;
    }
}

fn node_step_done(state: &mut State, target: &JobTarget) {
    let JobTarget::Node { cluster, node, generation, step } = target else { return };
    if let Some(n) = state.node_mut(cluster, node)
        && n.generation == *generation
    {
        n.joined |= *step == JobKind::EnsureEtcd;
        n.done.insert(*step);
        if *step == JobKind::EnsureControlPlane {
            served(state, cluster, node);
        }
    }
    if *step == JobKind::RestoreEtcd {
        restored(state, cluster, node);
    }
}

fn addons_done(state: &mut State, target: &JobTarget) {
    if let JobTarget::Cluster { name, generation, .. } = target
        && let Some(addons) = addons_mut(state, name)
        && addons.generation == *generation
    {
        addons.done = true;
    }
}

pub(crate) fn forget_failures(state: &mut State, about: impl Fn(JobTarget) -> bool) {
    state.failures.retain(|id, _| !JobTarget::parse(id).is_some_and(&about));
}

pub(crate) fn forget_node_failures(state: &mut State, cluster: &ClusterName, node: &NodeName) {
    forget_failures(
        state,
        |t| matches!(t, JobTarget::Node { cluster: c, node: n, .. } if &c == cluster && &n == node),
    );
}
