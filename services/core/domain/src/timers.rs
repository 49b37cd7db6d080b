//! What time owes: commands that deciders enter by themselves, recorded like any other, so
//! that a replay sees them too.

use crate::state::State;
use crate::{addons, backup, cluster, job, node};
use oi_events::Command;

/// The commands that time owes at `now_ms` (Unix milliseconds): retries whose pause is over,
/// scheduled deletions and backups, certificates to be renewed, tokens that end.
pub fn due(state: &State, now_ms: u64) -> Vec<Command> {
    let mut commands = job::timers::due(state, now_ms);
    for (name, c) in &state.clusters {
        commands.extend(cluster::timers::due(state, name, c, now_ms));
        commands.extend(backup::timers::due(name, c, now_ms));
        commands.extend(node::timers::due(name, c, now_ms));
        commands.extend(addons::timers::due(name, c, now_ms));
    }
    commands
}
