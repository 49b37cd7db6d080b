//! The subject of a commit.

use oi_events::Command;

/// The subject of a commit: `oi.events.<kind>.<id>` of what its command is about.
pub fn subject_of(command: &Command) -> String {
    format!("oi.events.{}", command.facts().about.subject())
}
