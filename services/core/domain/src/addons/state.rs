//! What is known of add-ons and join tokens.

use crate::node::Node;
use oi_events::{Addons, Credential, Generation, TokenId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is kept inside of a cluster, through its API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledAddons {
    /// As it was asked for.
    pub spec: Addons,
    /// Tokens with which machines can join.
    pub tokens: BTreeMap<TokenId, JoinToken>,
    /// Rises with each decision that changes what is to be there.
    pub generation: Generation,
    /// Whether that was made so once.
    pub done: bool,
    /// Since when anything is kept there: nodes of an older generation know nothing of it.
    pub since: Generation,
}

impl InstalledAddons {
    /// Whether what runs on a node was made for a cluster with worker nodes.
    pub fn is_known_to(&self, node: &Node) -> bool {
        node.generation >= self.since
    }
}

/// A token with which machines join a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// The bytes of which its secret part is made, sealed.
    pub credential: Credential,
    /// When it ends, Unix milliseconds.
    pub expires_ms: u64,
    /// What it is for.
    pub description: String,
}
