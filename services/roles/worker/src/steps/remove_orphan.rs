//! Nothing is left of a node that its cluster no longer has.

use super::{StepError, Steps, required};
use crate::desired::names;
use oi_events::Job;
use std::time::Duration;

impl Steps {
    pub(super) async fn remove_orphan(&self, job: &Job) -> Result<(), StepError> {
        let node = required(job, job.node.as_ref())?;
        let uid = required(job, job.cluster_uid)?;
        let hypervisor = self.hypervisor(job)?;
        let place = self.places.at(&hypervisor);
        place.end_pods(&names::node_labels(uid, node), Duration::ZERO).await?;
        if hypervisor.spec.public {
            // It may have been an ingress.
            self.reconcile_shared_ports(&hypervisor, None).await?;
        }
        self.remove_files(&place, uid, node).await
    }
}
