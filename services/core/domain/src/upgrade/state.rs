//! What is known of an upgrade.

use oi_events::KubernetesVersion;
use serde::{Deserialize, Serialize};

/// An upgrade on its way, component by component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// The release that it comes from.
    pub from: KubernetesVersion,
    /// The release that it goes to.
    pub to: KubernetesVersion,
    /// No further component is replaced for now.
    pub paused: bool,
    /// It goes back to where it came from.
    pub back: bool,
}

impl Upgrade {
    /// The release that all components are to run.
    pub fn target(&self) -> &KubernetesVersion {
        if self.back { &self.from } else { &self.to }
    }
}
