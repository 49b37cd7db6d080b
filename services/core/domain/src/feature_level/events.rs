//! What a raised feature level changes.

use crate::state::State;
use oi_events::FeatureLevelEvent;

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &FeatureLevelEvent) {
    match event {
        FeatureLevelEvent::FeatureLevelRaised(e) => state.raised = e.level,
    }
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &FeatureLevelEvent) -> String {
    match event {
        FeatureLevelEvent::FeatureLevelRaised(e) => {
            format!("level {}: servers may write what older ones cannot read", e.level)
        }
    }
}
