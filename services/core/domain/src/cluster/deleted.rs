//! Which clusters are gone.

use oi_events::ClusterUid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// So many are remembered: a megabyte.
pub const DELETED_HORIZON: usize = 65_536;

/// The uids of the clusters that were deleted. What is left of one of them on a hypervisor is
/// nobody's; of a uid that the log never had, it may be another installation's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeletedClusters(BTreeSet<ClusterUid>);

impl DeletedClusters {
    /// Whether a cluster was deleted, and is remembered.
    pub fn has(&self, uid: ClusterUid) -> bool {
        self.0.contains(&uid)
    }

    /// Uids sort by when they were made: where there are too many, the oldest is forgotten.
    pub(crate) fn insert(&mut self, uid: ClusterUid) {
        self.0.insert(uid);
        if self.0.len() > DELETED_HORIZON {
            self.0.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_oldest_of_very_many_is_forgotten() {
        let uid = |n: usize| ClusterUid(uuid::Uuid::from_u128(n as u128));
        let mut deleted = DeletedClusters::default();
        for n in 0..=DELETED_HORIZON {
            deleted.insert(uid(n));
        }
        assert!(!deleted.has(uid(0)) && deleted.has(uid(1)) && deleted.has(uid(DELETED_HORIZON)));
    }
}
