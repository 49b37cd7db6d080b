//! Which release may write what: old and new servers run side by side as long as the new ones
//! write only what the old ones can read. When all are new, somebody raises the level.

use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{Command, Event, FeatureLevelRaisedV1, Observation, RaiseFeatureLevelV1};

/// The highest level that this release knows. See docs/upgrading.md for what came with each.
pub const FEATURE_LEVEL: u16 = 3;

/// The level at which a command came, or what a decision on it writes.
fn needed(command: &Command) -> u16 {
    match command {
        Command::CancelJob(_) => 2,
        Command::SetAddons(_)
        | Command::CreateJoinToken(_)
        | Command::RevokeJoinToken(_)
        | Command::EnableTunnel(_)
        | Command::SetEndpoint(_)
        | Command::SetAuthentication(_)
        | Command::SharePorts(_) => 3,
        Command::ReportObservation(c) => match c.observation {
            Observation::DriftRepaired { .. }
            | Observation::PeerRequested { .. }
            | Observation::WorkerGone { .. } => 3,
            _ => 1,
        },
        _ => 1,
    }
}

/// Refuses what servers that may still run could not read.
pub(crate) fn check(state: &State, command: &Command) -> Result<(), Rejection> {
    let needed = needed(command);
    if needed <= state.level() {
        return Ok(());
    }
    let kind = command.kind().name;
    Err(Rejection::FeatureLevelTooLow { kind, needed, level: state.level() })
}

pub(crate) fn raise(state: &State, c: &RaiseFeatureLevelV1) -> Result<Vec<Event>, Rejection> {
    if c.level > FEATURE_LEVEL {
        return Err(Rejection::FeatureLevelUnknown { level: c.level, newest: FEATURE_LEVEL });
    }
    if c.level <= state.level() {
        return Ok(Vec::new());
    }
    Ok(vec![FeatureLevelRaisedV1 { level: c.level }.into()])
}
