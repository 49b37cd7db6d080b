//! Records of the replacement of a cluster's CAs.

use crate::command::Command;
use crate::credential::Credential;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::ids::{ClusterName, Generation};
use crate::records;
use serde::{Deserialize, Serialize};

/// A step of the replacement of a cluster's authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RotationStep {
    /// New authorities are made; all components come to trust both.
    Start,
    /// The new ones sign: all certificates of components are made anew.
    Switch,
    /// The old ones are no longer trusted.
    Finish,
    /// Before the switch: the new ones are no longer trusted, and forgotten.
    Abort,
}

/// How far the replacement of authorities is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RotationStage {
    /// All components come to trust the old and the new ones.
    Trust,
    /// The new ones sign: all certificates of components are made anew.
    Switch,
    /// All components come to trust those only that sign.
    Retire,
}

/// Asks for a step of the replacement of a cluster's authorities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateCaV1 {
    /// Which cluster's.
    pub name: ClusterName,
    /// Which step.
    pub step: RotationStep,
}

/// New authorities exist, and are to be trusted beside those that sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationStartedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The new authorities, named like those that they replace, private parts sealed.
    pub credentials: Vec<Credential>,
    /// Nodes of an older generation do not trust them yet.
    pub generation: Generation,
}

/// The replacement of authorities is one stage further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationAdvancedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The stage that begins.
    pub stage: RotationStage,
    /// Nodes of an older generation are not there yet.
    pub generation: Generation,
}

/// All components trust those authorities only that sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationEndedV1 {
    /// The cluster.
    pub cluster: ClusterName,
}

records! {
    /// Requests about the replacement of a cluster's CAs.
    RotationCommand in Command::Rotation, CommandFacts {
        RotateCa(c) = 26 [; 1 => RotateCaV1] {
            about: About::cluster(&c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::Standing,
        },
    }
}

records! {
    /// Facts about the replacement of a cluster's CAs.
    RotationEvent in Event::Rotation, EventFacts<'_> {
        RotationStarted(e) = 140 [; 1 => RotationStartedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Addons,
            restarts: Restarts::NewTrust,
            credentials: &e.credentials,
        },
        RotationAdvanced(e) = 141 [; 1 => RotationAdvancedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Addons,
            restarts: Restarts::NewTrust,
            credentials: &[],
        },
        RotationEnded(e) = 142 [; 1 => RotationEndedV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Addons,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
    }
}
