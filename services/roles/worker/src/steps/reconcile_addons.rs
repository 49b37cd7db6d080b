//! The cluster has its add-ons.

use super::{StepError, Steps, required};
use crate::addons::Trigger;
use oi_events::Job;

impl Steps {
    pub(super) async fn reconcile_addons(&self, job: &Job) -> Result<(), StepError> {
        let name = required(job, job.cluster.as_ref())?;
        let uid = required(job, job.cluster_uid)?;
        let pass = self.reconcile_cluster(name, uid, Trigger::Job).await?;
        match pass.and_then(|pass| pass.foreign) {
            Some(object) => Err(StepError::ForeignObject(object)),
            None => Ok(()),
        }
    }
}
