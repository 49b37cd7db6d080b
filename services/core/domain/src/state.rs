//! The state: what the events so far amount to. Each feature has its own part.

use crate::cluster::{Cluster, DeletedClusters};
use crate::hypervisor::Hypervisor;
use crate::job::JobFailure;
use crate::node::Node;
use crate::processed::Processed;
use crate::tenant::Tenants;
use oi_events::{ClusterName, ClusterUid, CodecError, Hash, HypervisorName, JobId, NodeName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Names the layout of [`State`] and the rules that fold it: snapshots of another one are not
/// read. Made from the sources of both, so that nobody has to remember it.
pub const STATE_SCHEMA: &str = env!("OI_STATE_SCHEMA");

/// Everything that is known. Equal logs give equal states.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// The log position of the last commit folded in.
    pub position: u64,
    /// The hash of that commit.
    pub head: Hash,
    /// When that commit was made, Unix milliseconds by its decider's clock.
    pub time_ms: u64,
    /// Hypervisors by name.
    pub hypervisors: BTreeMap<HypervisorName, Arc<Hypervisor>>,
    /// Clusters by name, deleted ones no longer.
    pub clusters: BTreeMap<ClusterName, Arc<Cluster>>,
    /// The deleted ones.
    pub deleted: Arc<DeletedClusters>,
    /// Jobs that have failed and are not done yet.
    pub failures: BTreeMap<JobId, JobFailure>,
    /// Commands that were decided.
    pub processed: Arc<Processed>,
    /// Whose clusters are, where they are somebody's.
    pub tenants: Arc<Tenants>,
    /// What releases may write, as it was raised; see [`State::level`].
    pub raised: u16,
}

impl State {
    /// The level of the log: 1 where it was never raised.
    pub fn level(&self) -> u16 {
        self.raised.max(1)
    }

    /// A digest over all of the state. Equal for a replay and the live state at
    /// the same position.
    ///
    /// # Errors
    /// Where the state has no stored form.
    pub fn hash(&self) -> Result<Hash, CodecError> {
        Ok(Hash::of(&[b"oi/state/v1", &oi_events::to_bytes(self)?]))
    }

    /// A copy to decide ahead on. It remembers no command, only from when on they are too
    /// old to be told apart.
    pub fn ahead(&self) -> State {
        let processed = Arc::new(self.processed.horizon_only());
        State { processed, ..self.clone() }
    }

    /// The cluster of this uid, whatever its name.
    pub fn cluster_of(&self, uid: ClusterUid) -> Option<&Cluster> {
        self.clusters.values().find(|c| c.uid == uid).map(|c| &**c)
    }

    /// All nodes on a hypervisor, with their clusters.
    pub fn nodes_on<'a>(
        &'a self,
        hypervisor: &'a HypervisorName,
    ) -> impl Iterator<Item = (&'a ClusterName, &'a NodeName, &'a Node)> {
        self.clusters.iter().flat_map(move |(cluster_name, cluster)| {
            cluster
                .nodes
                .iter()
                .filter(move |(_, node)| &node.hypervisor == hypervisor)
                .map(move |(name, node)| (cluster_name, name, &**node))
        })
    }
}

// What is shared with a copy of the state is copied when it changes, and only then.
impl State {
    pub(crate) fn cluster_mut(&mut self, name: &ClusterName) -> Option<&mut Cluster> {
        self.clusters.get_mut(name).map(Arc::make_mut)
    }

    pub(crate) fn hypervisor_mut(&mut self, name: &HypervisorName) -> Option<&mut Hypervisor> {
        self.hypervisors.get_mut(name).map(Arc::make_mut)
    }

    pub(crate) fn node_mut(&mut self, cluster: &ClusterName, node: &NodeName) -> Option<&mut Node> {
        self.cluster_mut(cluster)?.nodes.get_mut(node).map(Arc::make_mut)
    }
}
