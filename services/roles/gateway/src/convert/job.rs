//! Jobs, between requests, the state and answers.

use super::IntoCommand;
use crate::rejected::Rejected;
use oi_domain::{JobFailure, Retry, Scope, State, jobs_in};
use oi_events::{CancelJobV1, ClusterName, Command, Job, JobId, RetryJobV1};
use oi_proto::v1;

impl IntoCommand for v1::RetryJob {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(RetryJobV1 { job: JobId(self.job) }.into())
    }
}

impl IntoCommand for v1::CancelJob {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(CancelJobV1 { job: JobId(self.job) }.into())
    }
}

/// Jobs that are owed, those that wait after a failure included.
pub fn jobs(state: &State, of: Option<&ClusterName>) -> Vec<v1::Job> {
    let scopes: Vec<Scope> = match of {
        Some(name) => vec![Scope::Cluster(name.clone())],
        None => Scope::all(state).collect(),
    };
    let jobs = scopes.iter().flat_map(|scope| jobs_in(state, scope));
    jobs.map(|j| job(state, &j)).collect()
}

/// How it stands with a job that is owed.
fn job_state(failure: Option<&JobFailure>) -> v1::JobState {
    match failure.map(|f| f.retry) {
        None | Some(Retry::Now) => v1::JobState::Due,
        Some(Retry::At(_)) => v1::JobState::Paused,
        Some(Retry::ByHand) => v1::JobState::DeadLettered,
    }
}

pub fn job(state: &State, j: &Job) -> v1::Job {
    let text = |t: Option<&dyn std::fmt::Display>| t.map(ToString::to_string).unwrap_or_default();
    let failure = state.failures.get(&j.id);
    v1::Job {
        id: j.id.to_string(),
        kind: j.kind.token().to_owned(),
        hypervisor: text(j.hypervisor.as_ref().map(|h| h as _)),
        cluster: text(j.cluster.as_ref().map(|c| c as _)),
        node: text(j.node.as_ref().map(|n| n as _)),
        failures: failure.map_or(0, |t| t.attempts),
        message: failure.map(|t| t.message.clone()).unwrap_or_default(),
        retry_at_ms: match failure.map(|f| f.retry) {
            Some(Retry::At(at_ms)) => at_ms,
            Some(Retry::Now | Retry::ByHand) | None => 0,
        },
        state: job_state(failure).into(),
    }
}
