//! One job, with why it is owed and what became of each attempt.

use crate::convert;
use crate::identity::{AccessRole, Identity};
use crate::rejected::Rejected;
use crate::service::Gateway;
use oi_domain::{Scope, State, jobs_in};
use oi_events::{
    Code, Command, Event, JobCommand, JobEvent, JobId, JobOutput, JobResult, JobTarget,
    RecordedCommit, ReportJobV2,
};
use oi_journal::ReadError;
use oi_proto::v1;

/// So many commits are looked through for attempts.
const LONGEST: u64 = 100_000;

/// What the log says about a job.
#[derive(Default)]
struct History {
    cause: Option<v1::JobCause>,
    attempts: Vec<v1::JobAttempt>,
    done: bool,
}

/// What an event says about a job; none where it is about something else.
fn attempt(recorded: &RecordedCommit, event: &Event, id: &JobId) -> Option<v1::JobAttempt> {
    let (job, message, took_ms) = match event {
        Event::Job(JobEvent::JobSucceeded(e)) => (&e.job, output(recorded), e.took_ms),
        Event::Job(JobEvent::JobFailed(e)) => (&e.job, e.message.clone(), 0),
        Event::Job(JobEvent::JobRetried(e)) => (&e.job, String::new(), 0),
        Event::Job(JobEvent::JobDeadLettered(e)) => (&e.job, e.message.clone(), 0),
        _ => return None,
    };
    (job == id).then(|| v1::JobAttempt {
        position: recorded.position,
        time_ms: recorded.commit.header.time_ms,
        event: event.kind().name.to_owned(),
        message,
        took_ms,
        actor: recorded.commit.header.actor.clone(),
    })
}

/// What came of a job, as its worker reported it.
fn output(recorded: &RecordedCommit) -> String {
    let Command::Job(JobCommand::ReportJob(ReportJobV2 {
        result: JobResult::Succeeded(output),
        ..
    })) = &recorded.commit.command
    else {
        return String::new();
    };
    match output {
        JobOutput::None => String::new(),
        JobOutput::Backup(snapshot) => {
            format!("a snapshot of {} bytes in {}", snapshot.bytes, snapshot.object)
        }
    }
}

/// Whether somebody may see a job: of a cluster that is their own, what is owed, and what was while
/// it was theirs; of one that is gone, the latter.
fn shown(state: &State, who: &Identity, target: &JobTarget, owed: bool) -> bool {
    let Some(cluster) = target.cluster() else { return false };
    let is_theirs = who.sees(state, cluster.as_str());
    let is_gone = !state.clusters.contains_key(cluster);
    let was_theirs = || who.saw(state, cluster.as_str(), target.generation().0);
    (is_theirs && owed) || ((is_theirs || is_gone) && was_theirs())
}

impl Gateway {
    /// What is known of a job.
    pub(crate) async fn job(
        &self,
        id: &str,
        who: &Identity,
    ) -> Result<v1::GetJobResponse, Rejected> {
        let id = JobId(id.to_owned());
        let unknown = || Rejected::new(Code::NotFound, format!("job {id} is not known"));
        let target = JobTarget::parse(&id).ok_or_else(unknown)?;
        who.needs(AccessRole::Viewer)?;
        let from = target.generation().0;
        // As of one moment: what happens later is not told.
        let (end, owed, shown) = self.view.read(|s| {
            let scope = Scope::of_job(&id);
            let jobs = scope.map(|scope| jobs_in(s, &scope)).unwrap_or_default();
            let owed = jobs.iter().find(|j| j.id == id).map(|j| convert::job::job(s, j));
            (s.position, owed.clone(), shown(s, who, &target, owed.is_some()))
        });
        if !shown {
            who.needs_all(AccessRole::Viewer)?;
        }
        if from == 0 || from > end {
            return Err(unknown());
        }
        let _turn = self.budget.search().await?;
        let found = self.history(&id, from, end.min(from.saturating_add(LONGEST))).await;
        let History { mut cause, mut attempts, done } =
            found.map_err(|e| Rejected::unavailable(&e))?;
        // Any number makes an id: what was neither tried nor is owed never was a job.
        if owed.is_none() && attempts.is_empty() {
            return Err(unknown());
        }
        // What was done while it was another's is that one's.
        if let Some(cluster) = target.cluster() {
            self.view.read(|s| {
                let saw = |position| who.saw(s, cluster.as_str(), position);
                cause = cause.take().filter(|c| saw(c.position));
                attempts.retain(|a| saw(a.position));
            });
        }
        let state = if done { v1::JobState::Done } else { v1::JobState::Obsolete };
        let ended = || v1::Job { id: id.to_string(), state: state.into(), ..named(&target) };
        Ok(v1::GetJobResponse {
            job: Some(owed.unwrap_or_else(ended)),
            cause,
            attempts,
            truncated: end > from.saturating_add(LONGEST),
        })
    }

    async fn history(&self, id: &JobId, from: u64, to: u64) -> Result<History, ReadError> {
        let mut log = self.handles.log.replay(from, to).await?;
        let mut history = History::default();
        while let Some(recorded) = log.next().await? {
            if recorded.position == from {
                history.cause = Some(cause(&recorded));
            }
            for event in &recorded.commit.events {
                let Some(attempt) = attempt(&recorded, event, id) else { continue };
                history.attempts.push(attempt);
                history.done = matches!(event, Event::Job(JobEvent::JobSucceeded(_)));
            }
            if history.done {
                break;
            }
        }
        Ok(history)
    }
}

fn cause(recorded: &RecordedCommit) -> v1::JobCause {
    let header = &recorded.commit.header;
    v1::JobCause {
        position: recorded.position,
        command_id: header.command_id.to_string(),
        command: recorded.commit.command.kind().name.to_owned(),
        actor: header.actor.clone(),
        time_ms: header.time_ms,
    }
}

/// What an id tells of a job that is no longer owed.
fn named(target: &JobTarget) -> v1::Job {
    let cluster = target.cluster().map(ToString::to_string).unwrap_or_default();
    let hypervisor = target.hypervisor().map(ToString::to_string).unwrap_or_default();
    let node = match target {
        JobTarget::Node { node, .. } | JobTarget::Orphan { node, .. } => node.to_string(),
        JobTarget::Backup { .. } | JobTarget::Hypervisor { .. } | JobTarget::Cluster { .. } => {
            String::new()
        }
    };
    let kind = target.kind().token();
    v1::Job { kind: kind.to_owned(), cluster, hypervisor, node, ..v1::Job::default() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::identity::tests::state;
    use oi_events::TenantSetV1;

    fn tenant(name: &str) -> Identity {
        let tenant = format!("oi:tenant:{name}");
        Identity::named("alice", ["oi:viewer", &tenant].into_iter()).unwrap()
    }

    fn job(generation: u64) -> JobTarget {
        JobTarget::parse(&JobId(format!("node.blue.cp-1.{generation}.etcd"))).unwrap()
    }

    #[test]
    fn a_job_is_its_owners_who_lost_a_cluster_sees_none_of_it() {
        let mut state = state(&[("blue", Some("acme"))]);
        state.position = 10;
        let given = TenantSetV1 {
            cluster: "blue".parse().unwrap(),
            tenant: Some("other".parse().unwrap()),
        };
        oi_domain::evolve(&mut state, &given.into());
        state.position = 20;
        let (before, after) = (tenant("acme"), tenant("other"));
        for generation in [5, 15] {
            for owed in [true, false] {
                assert!(!shown(&state, &before, &job(generation), owed), "it lost the cluster");
            }
            assert!(shown(&state, &after, &job(generation), true), "what is owed is listed, too");
        }
        assert!(shown(&state, &after, &job(15), false));
        assert!(!shown(&state, &after, &job(5), false), "it ended in another's time");
        let operator = Identity::named("bob", ["oi:operator"].into_iter()).unwrap();
        assert!(shown(&state, &operator, &job(5), false));
        // Of one that is gone, each sees what was its own.
        state.clusters.remove(&"blue".parse().unwrap());
        assert!(shown(&state, &before, &job(5), false));
        assert!(!shown(&state, &before, &job(15), false));
    }
}
