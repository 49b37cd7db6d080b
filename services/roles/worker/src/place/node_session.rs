//! A node to work on.

use super::{Place, PlaceError};
use crate::desired::{FileOp, NodeContext, Secrets};
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

    /// Changes files of the node, unless a later generation changed them.
    pub async fn put(&self, files: &[FileOp]) -> Result<Vec<String>, PlaceError> {
        self.place.put_fenced(self.ctx.dir(), self.ctx.node.generation.0, files).await
    }
}
