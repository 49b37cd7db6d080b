//! What is known of an upgrade.

use crate::cluster::Cluster;
use oi_events::{KubernetesVersion, NodeName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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
    /// An API server of `to` may have been ready: objects may be stored in its form. Of an upgrade
    /// that began below level 4 nothing else is known.
    pub served: bool,
    /// Where its images were found. The first component is replaced once that is so for all nodes.
    pub images: Images,
}

/// Where the images of an upgrade were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Images {
    /// They are not looked for: it began below level 4.
    NotWanted,
    /// On the hypervisors of these nodes.
    On(BTreeSet<NodeName>),
}

impl Upgrade {
    /// The release that all components are to run.
    pub fn target(&self) -> &KubernetesVersion {
        if self.back { &self.from } else { &self.to }
    }
}

impl Cluster {
    /// Whether an upgrade waits until the images were looked for on a node's hypervisor.
    pub fn owes_images(&self, name: &NodeName) -> bool {
        let upgrade = self.upgrade.as_ref().filter(|u| !u.back && !u.paused);
        let Some(Images::On(found)) = upgrade.map(|u| &u.images) else { return false };
        let node = self.nodes.get(name).filter(|n| !n.removing && !n.components.is_empty());
        node.is_some() && !found.contains(name)
    }
}
