//! Leaving nothing of a node on its hypervisor.

use super::{StepError, Steps};
use crate::names;
use oi_cri::{FileOp, GRACE, remove_pods};
use oi_domain::ClusterPhase;
use oi_events::Job;
use std::time::Duration;

impl Steps {
    /// Its etcd member is out of the cluster, its pods and files are gone.
    pub(super) async fn remove_node(&self, job: &Job) -> Result<(), StepError> {
        let target = self.target(job)?;
        self.leave(&target).await?;
        let client = self.hypervisors.client(&target.hypervisor)?;
        // Nobody reads what a deleted cluster could still write.
        let deleted = target.cluster.phase == ClusterPhase::Deleting;
        let grace = if deleted { Duration::ZERO } else { GRACE };
        remove_pods(&client, &names::node_labels(&target.cluster, &target.name), grace).await?;
        let helper = self.hypervisors.helper(&target.hypervisor).await?;
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
        let removed = helper.put(&operations).await;
        if removed.is_err() {
            self.hypervisors.forget_helper(&target.hypervisor);
        }
        removed?;
        Ok(())
    }
}
