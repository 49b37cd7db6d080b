//! Leaving nothing of a node on its hypervisor, or nothing that runs.

use super::{StepError, Steps};
use crate::names;
use oi_cri::{FileOp, GRACE, Labels, PodError, remove_pods};
use oi_domain::{ClusterPhase, Hypervisor};
use oi_events::{ClusterUid, Component, Job, NodeName, Role};
use std::time::Duration;

/// How many containers of a node may need help to go, at a time.
const LEFT_BEHIND: usize = 8;

impl Steps {
    /// Its pods and files are gone.
    pub(super) async fn remove_node(&self, job: &Job) -> Result<(), StepError> {
        let target = self.target(job)?;
        // Nobody reads what a deleted cluster could still write.
        let deleted = target.cluster.phase == ClusterPhase::Deleting;
        let grace = if deleted { Duration::ZERO } else { GRACE };
        if !deleted && target.node.components.contains(&Component::ApiServer) {
            self.drain(&target).await;
        }
        let labels = names::node_labels(target.cluster.uid, &target.name);
        self.end_pods(&target.hypervisor, &labels, grace).await?;
        self.close(&target.hypervisor, target.node.role).await?;
        self.remove_files(&target.hypervisor, target.cluster.uid, &target.name).await
    }

    /// Nothing of it runs; its files stay.
    pub(super) async fn stop_node(&self, job: &Job) -> Result<(), StepError> {
        let target = self.target(job)?;
        let labels = names::node_labels(target.cluster.uid, &target.name);
        self.end_pods(&target.hypervisor, &labels, GRACE).await?;
        self.close(&target.hypervisor, target.node.role).await
    }

    /// Nothing leads to an ingress any more that is gone.
    async fn close(&self, h: &Hypervisor, role: Role) -> Result<(), StepError> {
        if role != Role::ControlPlaneIngress {
            return Ok(());
        }
        let closed = self.pass_through(h, None).await;
        self.noted(h, closed).map(drop)
    }

    /// Nothing is left of a node that its cluster no longer has.
    pub(super) async fn remove_orphan(&self, job: &Job) -> Result<(), StepError> {
        let malformed = || StepError::Malformed(job.id.to_string());
        let name = job.hypervisor.as_ref().ok_or_else(malformed)?;
        let node = job.node.as_ref().ok_or_else(malformed)?;
        let uid = job.cluster_uid.ok_or_else(malformed)?;
        let h = self.view.read(|s| s.hypervisors.get(name).cloned()).ok_or_else(malformed)?;
        self.end_pods(&h, &names::node_labels(uid, node), Duration::ZERO).await?;
        if h.spec.public {
            self.close(&h, Role::ControlPlaneIngress).await?;
        }
        self.remove_files(&h, uid, node).await
    }

    pub(super) async fn end_pods(
        &self,
        h: &Hypervisor,
        labels: &Labels,
        grace: Duration,
    ) -> Result<(), StepError> {
        let client = self.hypervisors.client(h)?;
        let mut removed = remove_pods(&client, labels, grace).await;
        for _ in 0..LEFT_BEHIND {
            let Err(PodError::Stuck { id, .. }) = &removed else { break };
            tracing::warn!(id, "killing what the runtime lost sight of");
            let killed = self.hypervisors.helper(h).await?.kill(id).await;
            self.noted(h, killed.map_err(StepError::from))?;
            removed = remove_pods(&client, labels, grace).await;
        }
        Ok(removed?)
    }

    async fn remove_files(
        &self,
        h: &Hypervisor,
        uid: ClusterUid,
        node: &NodeName,
    ) -> Result<(), StepError> {
        let mut operations = vec![FileOp::Remove { path: names::node_dir(h, uid, node) }];
        let others = self.view.read(|s| {
            let of_cluster = s.clusters.values().find(|c| c.uid == uid);
            let here = |n: &oi_domain::Node| n.hypervisor == h.spec.name;
            let nodes =
                of_cluster.is_some_and(|c| c.nodes.iter().any(|(n, v)| n != node && here(v)));
            let left = |l: &oi_domain::Orphan| l.cluster_uid == uid && l.node != *node;
            let orphans = s.hypervisors.get(&h.spec.name).map(|h| &h.orphans);
            nodes || orphans.is_some_and(|all| all.iter().any(left))
        });
        if !others {
            operations.push(FileOp::Remove { path: names::cluster_dir(h, uid) });
        }
        let removed = self.hypervisors.helper(h).await?.put(&operations).await;
        self.noted(h, removed.map_err(StepError::from)).map(drop)
    }
}
