//! Nothing is left of a node that its cluster no longer has.

use super::{StepError, Steps, required};
use crate::desired::names;
use oi_events::{ClusterUid, Generation, Job, NodeName};
use std::time::Duration;

impl Steps {
    pub(super) async fn remove_orphan(&self, job: &Job) -> Result<(), StepError> {
        let node = required(job, job.node.as_ref())?;
        let uid = required(job, job.cluster_uid)?;
        let hypervisor = self.hypervisor(job)?;
        let place = self.places.at(&hypervisor);
        let labels = names::node_labels(uid, node);
        let (_, until) = self.orphan(job, uid, node)?;
        place.end_pods_until(&labels, until, Duration::ZERO).await?;
        if hypervisor.spec.public {
            // It may have been an ingress.
            self.reconcile_shared_ports(&hypervisor, None).await?;
        }
        let (is_anothers, known) = self.orphan(job, uid, node)?;
        if is_anothers {
            // A later node of that name has taken over the directory.
            return Ok(());
        }
        self.remove_files(&place, uid, node, known).await
    }

    /// Whether a later node of that name is on the hypervisor of an orphan, and up to which
    /// generation what stands there is the orphan's.
    fn orphan(
        &self,
        job: &Job,
        uid: ClusterUid,
        node: &NodeName,
    ) -> Result<(bool, Generation), StepError> {
        let known = self.still_owed(job)?;
        let is_anothers = self.view.read(|s| {
            let named = s.cluster_of(uid).and_then(|c| c.nodes.get(node));
            named.is_some_and(|n| Some(&n.hypervisor) == job.hypervisor.as_ref())
        });
        Ok((is_anothers, if is_anothers { job.generation } else { known }))
    }
}
