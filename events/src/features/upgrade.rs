//! Records of upgrades.

use super::node::Component;
use crate::command::Command;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::ids::{ClusterName, Generation, KubernetesVersion, NodeName};
use crate::records;
use serde::{Deserialize, Serialize};

/// What to do with an upgrade that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpgradeChange {
    /// No further component is replaced for now.
    Pause,
    /// It goes on.
    Resume,
    /// It goes back to the release before.
    RollBack,
}

/// Asks that a cluster's components run another release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeClusterV1 {
    /// Which one.
    pub name: ClusterName,
    /// The release.
    pub to: KubernetesVersion,
}

/// Asks that an upgrade on its way be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeUpgradeV1 {
    /// Which cluster's.
    pub name: ClusterName,
    /// How.
    pub change: UpgradeChange,
}

/// An upgrade is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeStartedV1 {
    /// The cluster.
    pub name: ClusterName,
    /// The release that it comes from.
    pub from: KubernetesVersion,
    /// The release that it goes to.
    pub to: KubernetesVersion,
}

/// An upgrade on its way was paused, resumed or turned back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeChangedV1 {
    /// The cluster.
    pub name: ClusterName,
    /// No further component is replaced for now.
    pub paused: bool,
    /// It goes back to where it came from.
    pub back: bool,
}

/// A component of a node is to run another release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentVersionChangedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// Which component.
    pub component: Component,
    /// The release.
    pub version: KubernetesVersion,
    /// The node's generation from here on.
    pub generation: Generation,
}

/// All components of a cluster run a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeEndedV1 {
    /// The cluster.
    pub name: ClusterName,
    /// The release.
    pub version: KubernetesVersion,
}

records! {
    /// Requests about upgrades.
    UpgradeCommand in Command::Upgrade, CommandFacts {
        UpgradeCluster(c) = 13 [; 1 => UpgradeClusterV1] {
            about: About::cluster(&c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
        },
        ChangeUpgrade(c) = 14 [; 1 => ChangeUpgradeV1] {
            about: About::cluster(&c.name),
            level: 1,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
        },
    }
}

records! {
    /// Facts about upgrades.
    UpgradeEvent in Event::Upgrade, EventFacts<'_> {
        UpgradeStarted(e) = 124 [; 1 => UpgradeStartedV1] {
            about: About::cluster(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        UpgradeChanged(e) = 125 [; 1 => UpgradeChangedV1] {
            about: About::cluster(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        ComponentVersionChanged(e) = 126 [; 1 => ComponentVersionChangedV1] {
            about: About::node(&e.cluster, &e.node),
            effect: Effect::Routes,
            restarts: Restarts::Container,
            credentials: &[],
        },
        UpgradeEnded(e) = 127 [; 1 => UpgradeEndedV1] {
            about: About::cluster(&e.name),
            effect: Effect::Addons,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
    }
}
