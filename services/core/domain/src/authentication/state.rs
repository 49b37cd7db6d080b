//! What API servers know of a cluster's external users.

use crate::cluster::Cluster;
use crate::node::Node;
use oi_events::{Component, NodeName};

impl Cluster {
    /// API servers that were not told yet who says who its users are.
    pub fn pending_rollout(&self) -> impl Iterator<Item = (&NodeName, &Node)> {
        let servers = self.carriers(Component::ApiServer).into_iter();
        servers.filter(|(_, n)| n.issuers != self.issuers)
    }
}
