//! The files of a node on its hypervisor.

use crate::desired::{FileOp, names};
use crate::place::Place;
use crate::steps::{StepError, Steps};
use oi_domain::{Node, Orphan};
use oi_events::{ClusterUid, Generation, NodeName};

impl Steps {
    /// Removes the node's directory, unless a later generation changed it, and the cluster's when
    /// no other node of it is there.
    pub async fn remove_files(
        &self,
        place: &Place,
        uid: ClusterUid,
        node: &NodeName,
        generation: Generation,
    ) -> Result<(), StepError> {
        let h = &place.hypervisor;
        let path = names::node_dir(h, uid, node);
        let fence = FileOp::Fence { path: path.clone(), generation: generation.0 };
        let mut operations = vec![fence, FileOp::Remove { path }];
        if !self.has_others(place, uid, node) {
            operations.push(FileOp::Remove { path: names::cluster_dir(h, uid) });
        }
        place.put(&operations).await?;
        Ok(())
    }

    /// Whether the hypervisor has other nodes of the cluster, or orphans of them.
    fn has_others(&self, place: &Place, uid: ClusterUid, node: &NodeName) -> bool {
        let h = &place.hypervisor.spec.name;
        self.view.read(|s| {
            let cluster = s.clusters.values().find(|c| c.uid == uid);
            let here = |n: &Node| n.hypervisor == *h;
            let nodes = cluster.is_some_and(|c| c.nodes.iter().any(|(n, v)| n != node && here(v)));
            let left = |l: &Orphan| l.cluster_uid == uid && l.node != *node;
            let orphans = s.hypervisors.get(h).map(|h| &h.orphans);
            nodes || orphans.is_some_and(|all| all.iter().any(left))
        })
    }
}
