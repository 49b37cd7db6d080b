//! The events of a commit, each with its context.

use crate::time::rfc3339;
use oi_domain::describe;
use oi_events::RecordedCommit;
use serde::Serialize;

/// One event with its context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The position of its commit.
    pub position: u64,
    /// When it was decided, RFC 3339.
    pub time: String,
    /// When it was decided, Unix milliseconds.
    #[serde(skip)]
    pub time_ms: u64,
    /// The commit's hash, as proofs name it.
    pub hash: String,
    /// Who sent the command.
    pub actor: String,
    /// The command's kind.
    pub command: String,
    /// The command's id.
    pub command_id: String,
    /// The first command of its chain.
    pub correlation: String,
    /// The event's kind.
    pub event: String,
    /// The cluster it is about.
    pub cluster: String,
    /// The node it is about.
    pub node: String,
    /// The hypervisor it is about.
    pub hypervisor: String,
    /// What happened.
    pub summary: String,
}

fn text<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

/// The entries of a commit, one for each of its events.
pub fn entries(recorded: &RecordedCommit) -> Vec<Entry> {
    let header = &recorded.commit.header;
    let (time, hash) = (rfc3339(header.time_ms), recorded.hash.to_string());
    let entry = |event: &oi_events::Event| {
        let about = describe(event);
        Entry {
            position: recorded.position,
            time: time.clone(),
            time_ms: header.time_ms,
            hash: hash.clone(),
            actor: header.actor.clone(),
            command: recorded.commit.command.kind().name.to_owned(),
            command_id: header.command_id.to_string(),
            correlation: header.correlation.to_string(),
            event: event.kind().name.to_owned(),
            cluster: text(about.cluster),
            node: text(about.node),
            hypervisor: text(about.hypervisor),
            summary: about.summary,
        }
    };
    recorded.commit.events.iter().map(entry).collect()
}
