//! Which events to show.

use oi_inspect::Entry;

/// Conditions on entries; all that are given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// About this cluster.
    pub cluster: Option<String>,
    /// About this node.
    pub node: Option<String>,
    /// About this hypervisor.
    pub hypervisor: Option<String>,
    /// Sent by this actor.
    pub actor: Option<String>,
    /// The kind of the event or of its command.
    pub kind: Option<String>,
    /// Caused by this command, directly or through others.
    pub command: Option<String>,
    /// Not before this time, Unix milliseconds.
    pub since_ms: Option<u64>,
    /// Not after this time, Unix milliseconds.
    pub until_ms: Option<u64>,
}

impl Filter {
    /// Whether an entry meets the conditions.
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
