//! Decisions about the feature level of the log.

use crate::feature_level::FEATURE_LEVEL;
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{Event, FeatureLevelCommand, FeatureLevelRaisedV1, RaiseFeatureLevelV1};

/// Decides a command.
pub(crate) fn decide(
    state: &State,
    command: &FeatureLevelCommand,
) -> Result<Vec<Event>, Rejection> {
    match command {
        FeatureLevelCommand::RaiseFeatureLevel(c) => raise(state, c),
    }
}

fn raise(state: &State, c: &RaiseFeatureLevelV1) -> Result<Vec<Event>, Rejection> {
    if c.level > FEATURE_LEVEL {
        return Err(Rejection::FeatureLevelUnknown { level: c.level, newest: FEATURE_LEVEL });
    }
    if c.level <= state.level() {
        return Ok(Vec::new());
    }
    Ok(vec![FeatureLevelRaisedV1 { level: c.level }.into()])
}
