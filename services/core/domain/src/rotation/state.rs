//! What is known of the replacement of a cluster's CAs.

use crate::cluster::Cluster;
use crate::mint::Ca;
use crate::node::Node;
use oi_events::{Credential, Generation, RotationStage};
use serde::{Deserialize, Serialize};

/// The replacement of a cluster's authorities, on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// How far it is.
    pub stage: RotationStage,
    /// Nodes of an older generation do not trust yet what they are to trust.
    pub generation: Generation,
    /// Since when it is at this stage, Unix milliseconds.
    pub since_ms: u64,
}

impl Rotation {
    /// Whether something of the stage is not done on a node yet.
    pub fn is_behind(&self, node: &Node) -> bool {
        let owes = match self.stage {
            // All that the old authorities signed is due since then.
            RotationStage::Switch => node.renew_at_ms.values().any(|at| *at <= self.since_ms),
            RotationStage::Trust | RotationStage::Retire => node.generation < self.generation,
        };
        owes || !node.is_ready()
    }
}

impl Cluster {
    /// The certificates of an authority that are trusted, in an order that does not depend
    /// on which of them signs.
    pub fn trusted(&self, authority: Ca) -> Vec<&Credential> {
        let name = authority.name();
        let signs = self.credentials.get(name).into_iter();
        let mut all: Vec<_> = signs.chain(self.other_cas.get(name)).collect();
        all.sort_by(|a, b| a.public.cmp(&b.public));
        all
    }

    /// The authority that signs certificates of users: the one that will stay, once all
    /// trust it.
    pub fn signs_users(&self) -> Option<&Credential> {
        let name = Ca::Kubernetes.name();
        let trusted = |r: &Rotation| {
            r.stage == RotationStage::Trust && self.staying(|n| r.is_behind(n)).is_empty()
        };
        match &self.rotation {
            Some(r) if trusted(r) => self.other_cas.get(name),
            _ => self.credentials.get(name),
        }
    }
}
