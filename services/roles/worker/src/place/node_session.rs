//! A node to work on.

use super::Place;
use crate::desired::{NodeContext, Secrets};
use oi_pki::DataKey;

/// A node, the key of its cluster, and the place where it runs.
pub struct NodeSession {
    /// The node.
    pub ctx: NodeContext,
    /// The data key of its cluster.
    pub key: DataKey,
    /// Where it runs.
    pub place: Place,
}

impl NodeSession {
    /// The node's credentials.
    pub fn secrets(&self) -> Secrets<'_> {
        Secrets { ctx: &self.ctx, key: &self.key }
    }
}
