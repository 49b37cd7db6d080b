//! Records of the feature level of the log.

use crate::command::Command;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::records;
use serde::{Deserialize, Serialize};

/// Let releases write what older ones cannot read: all servers are new enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaiseFeatureLevelV1 {
    /// The level from here on.
    pub level: u16,
}

/// From here on the log may hold what releases below this level cannot read: one that does
/// not know the level stops here, rather than misread what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureLevelRaisedV1 {
    /// The level.
    pub level: u16,
}

records! {
    /// Requests about the feature level of the log.
    FeatureLevelCommand in Command::FeatureLevel, CommandFacts {
        RaiseFeatureLevel(c) = 28 [; 1 => RaiseFeatureLevelV1] {
            about: About::log(),
            level: 1,
            asked_by: AskedBy::Admin,
            adds_work: false,
            keys: Keys::None,
        },
    }
}

records! {
    /// Facts about the feature level of the log.
    FeatureLevelEvent in Event::FeatureLevel, EventFacts<'_> {
        FeatureLevelRaised(e) = 143 [; 1 => FeatureLevelRaisedV1] {
            about: About::log(),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
    }
}
