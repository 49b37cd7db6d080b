//! Which events an auditor wants to see.

use crate::moment::rfc3339;
use oi_domain::describe;
use oi_events::RecordedCommit;
use serde::Serialize;

/// All conditions that are given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// About this cluster.
    pub cluster: Option<String>,
    /// About this node.
    pub node: Option<String>,
    /// About this hypervisor.
    pub hypervisor: Option<String>,
    /// On whose order.
    pub actor: Option<String>,
    /// The kind of the event or of its command.
    pub kind: Option<String>,
    /// Caused by this command, or by one that it led to.
    pub command: Option<String>,
    /// Not before this time, Unix milliseconds.
    pub since_ms: Option<u64>,
    /// Not after this time, Unix milliseconds.
    pub until_ms: Option<u64>,
}

/// One event for an auditor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The position of its commit.
    pub position: u64,
    /// When it was decided, RFC 3339.
    pub time: String,
    /// The same, Unix milliseconds.
    #[serde(skip)]
    pub time_ms: u64,
    /// The commit's hash, as proofs name it.
    pub hash: String,
    /// On whose order.
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

impl Filter {
    /// Whether an entry is wanted.
    pub fn wants(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, values: &[&String]| {
            wanted.as_ref().is_none_or(|w| values.contains(&w))
        };
        is(&self.cluster, &[&entry.cluster])
            && is(&self.node, &[&entry.node])
            && is(&self.hypervisor, &[&entry.hypervisor])
            && is(&self.actor, &[&entry.actor])
            && is(&self.kind, &[&entry.event, &entry.command])
            && is(&self.command, &[&entry.command_id, &entry.correlation])
            && self.since_ms.is_none_or(|since| entry.time_ms >= since)
            && self.until_ms.is_none_or(|until| entry.time_ms <= until)
    }
}
