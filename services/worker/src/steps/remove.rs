//! Leaving nothing of a node on its hypervisor.

use super::{StepError, Steps};
use crate::names;
use oi_cri::{FileOp, GRACE, PodError, remove_pods};
use oi_domain::ClusterPhase;
use oi_events::Job;
use std::time::Duration;

/// How many containers of a node may need help to go, at a time.
const LEFT_BEHIND: usize = 8;

impl Steps {
    /// Its etcd member is out of the cluster, its pods and files are gone.
    pub(super) async fn remove_node(&self, job: &Job) -> Result<(), StepError> {
        let target = self.target(job)?;
        self.leave(&target).await?;
        let client = self.hypervisors.client(&target.hypervisor)?;
        // Nobody reads what a deleted cluster could still write.
        let deleted = target.cluster.phase == ClusterPhase::Deleting;
        let grace = if deleted { Duration::ZERO } else { GRACE };
        let labels = names::node_labels(&target.cluster, &target.name);
        let helper = self.hypervisors.helper(&target.hypervisor).await?;
        let mut removed = remove_pods(&client, &labels, grace).await;
        for _ in 0..LEFT_BEHIND {
            let Err(PodError::Stuck { id, .. }) = &removed else { break };
            tracing::warn!(id, "killing what the runtime lost sight of");
            helper.kill(id).await?;
            removed = remove_pods(&client, &labels, grace).await;
        }
        removed?;
        let mut operations = vec![FileOp::Remove { path: target.dir() }];
        let others = target
            .cluster
            .nodes
            .iter()
            .any(|(name, n)| *name != target.name && n.hypervisor == target.node.hypervisor);
        if !others {
            let path = names::cluster_dir(&target.hypervisor, &target.cluster);
            operations.push(FileOp::Remove { path });
        }
        let removed = helper.put(&operations).await.map_err(StepError::from);
        self.noted(&target.hypervisor, removed).map(drop)
    }
}
