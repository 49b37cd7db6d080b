//! Which release may write what: old and new servers run side by side as long as the new ones
//! write only what the old ones can read. When all are new, somebody raises the level.

use crate::rejection::Rejection;
use crate::state::State;
use oi_events::Command;

pub(crate) mod commands;
pub(crate) mod events;
#[cfg(test)]
mod tests;

/// The highest level that this release knows. See docs/upgrading.md for what came with each.
pub const FEATURE_LEVEL: u16 = 4;

/// Refuses what servers that may still run could not read.
pub(crate) fn check(state: &State, command: &Command) -> Result<(), Rejection> {
    let needed = command.facts().level;
    if needed <= state.level() {
        return Ok(());
    }
    let kind = command.kind().name;
    Err(Rejection::FeatureLevelTooLow { kind, needed, level: state.level() })
}
