//! The files of a node on its hypervisor.

use crate::desired::{FileOp, names};
use crate::place::Place;
use crate::steps::{StepError, Steps};
use futures::StreamExt;
use oi_domain::{ClusterPhase, Hypervisor, Node, State};
use oi_events::{ClusterUid, Generation, NodeName, chain};
use std::sync::Arc;
use std::time::Duration;

/// How many hypervisors are asked at a time to remove what is left, and how long at most.
const AT_ONCE: usize = 16;
const LIMIT: Duration = Duration::from_secs(20);

impl Steps {
    /// Removes the node's directory, unless a later generation changed it, and that of a deleted
    /// cluster when no other node of it is there. While the cluster stays, so do its directory and
    /// the marks in it that refuse late changes. The node's audit log is kept until it expires or
    /// the cluster is deleted: a fault must not end the evidence.
    pub async fn remove_files(
        &self,
        place: &Place,
        uid: ClusterUid,
        node: &NodeName,
        generation: Generation,
    ) -> Result<(), StepError> {
        let h = &place.hypervisor;
        let path = names::node_dir(h, uid, node);
        let kept = names::kept_audits_of(h, uid);
        let stays = self.view.read(|s| stays(s, uid));
        let audit = if stays {
            let (path, by) =
                (format!("{kept}/{node}-{generation}"), format!("{path}/{}", names::AUDIT));
            FileOp::Replace { path, by, keep: None }
        } else {
            FileOp::Remove { path: kept }
        };
        // On a full disk, what is kept needs what the data has taken.
        let data = FileOp::Remove { path: format!("{path}/{}", names::ETCD) };
        let mut operations = vec![data, audit, FileOp::Remove { path: path.clone() }];
        // A cluster that goes takes no more nodes.
        if !stays && !self.has_others(place, uid, node) {
            operations.push(FileOp::Remove { path: names::cluster_dir(h, uid) });
        }
        place.put_fenced(path, generation.0, &operations).await?;
        Ok(())
    }

    /// Removes what nodes of a deleted cluster have left: audit logs, and its directory where no
    /// orphan of it is. On a hypervisor that does not answer, the logs expire, and a supervisor
    /// removes the directory.
    pub async fn remove_left(&self, uid: ClusterUid) {
        let all: Vec<Arc<Hypervisor>> = self.view.read(|s| {
            let there = s.hypervisors.values().filter(|h| h.prepared && !h.is_away());
            there.cloned().collect()
        });
        let remove = |h: Arc<Hypervisor>| async move {
            let mut operations = vec![FileOp::Remove { path: names::kept_audits_of(&h, uid) }];
            if h.orphans_of(uid).next().is_none() {
                operations.push(FileOp::Remove { path: names::cluster_dir(&h, uid) });
            }
            if let Err(error) = self.places.at(&h).put(&operations).await {
                let (hypervisor, error) = (&h.spec.name, chain(&error));
                tracing::warn!(%hypervisor, cluster_uid = %uid, error, "what a deleted cluster has left stays");
            }
        };
        let removed = futures::stream::iter(all).for_each_concurrent(AT_ONCE, remove);
        if tokio::time::timeout(LIMIT, removed).await.is_err() {
            tracing::warn!(cluster_uid = %uid, "some of what a deleted cluster has left stays");
        }
    }

    /// Whether the hypervisor has other nodes of the cluster, or orphans of them.
    fn has_others(&self, place: &Place, uid: ClusterUid, node: &NodeName) -> bool {
        let h = &place.hypervisor.spec.name;
        self.view.read(|s| {
            let here = |n: &Node| n.hypervisor == *h;
            let cluster = s.cluster_of(uid);
            let nodes = cluster.is_some_and(|c| c.nodes.iter().any(|(n, v)| n != node && here(v)));
            let known = s.hypervisors.get(h);
            nodes || known.is_some_and(|h| h.orphans_of(uid).any(|left| left.node != *node))
        })
    }
}

/// Whether a cluster is there, and is not being deleted.
fn stays(state: &State, uid: ClusterUid) -> bool {
    state.cluster_of(uid).is_some_and(|c| c.phase != ClusterPhase::Deleting)
}
