//! What happened to a cluster, as steps in time.

use crate::time::rfc3339;
use oi_domain::describe;
use oi_events::{Command, Event, JobCommand, RecordedCommit};
use serde::Serialize;

/// A step of a timeline: a job with its duration, or a decision, which takes no time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineStep {
    /// The position of the commit that records it.
    pub position: u64,
    /// When it began, Unix milliseconds.
    #[serde(skip)]
    pub start_ms: u64,
    /// When it began, RFC 3339.
    pub start: String,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// Who sent the command, or did the job.
    pub actor: String,
    /// The command, or the job's id.
    pub what: String,
    /// Where it ran, for a job.
    pub hypervisor: String,
    /// What it changed.
    pub changed: Vec<String>,
}

/// The step that a commit is in the timeline of a cluster; none if no event of it is about
/// that cluster.
pub fn timeline_step(recorded: &RecordedCommit, cluster: &str) -> Option<TimelineStep> {
    let commit = &recorded.commit;
    let about = |event: &Event| {
        let described = describe(event);
        let same = described.cluster.as_ref().is_some_and(|c| c.as_str() == cluster);
        same.then_some(described)
    };
    let events: Vec<_> = commit.events.iter().filter_map(about).collect();
    let first = events.first()?;
    let (what, took_ms) = match &commit.command {
        Command::Job(JobCommand::ReportJob(c)) => (c.job.to_string(), c.took_ms),
        other => (other.kind().name.to_owned(), 0),
    };
    let start_ms = commit.header.time_ms.saturating_sub(took_ms);
    let text = |e: &oi_domain::Description| {
        let node = e.node.as_ref().map(|n| format!("{n}: ")).unwrap_or_default();
        format!("{node}{}", e.summary)
    };
    Some(TimelineStep {
        position: recorded.position,
        start_ms,
        start: rfc3339(start_ms),
        took_ms,
        actor: commit.header.actor.clone(),
        what,
        hypervisor: first.hypervisor.as_ref().map(|h| h.to_string()).unwrap_or_default(),
        changed: events.iter().map(text).collect(),
    })
}
