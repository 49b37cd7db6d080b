//! The hypervisor is reachable, its runtime is ready, and the helper runs.

use super::{StepError, Steps};
use oi_events::{Job, Observation, chain};

impl Steps {
    pub(super) async fn probe_hypervisor(&self, job: &Job) -> Result<(), StepError> {
        let probed = match self.hypervisor(job) {
            Ok(hypervisor) => self.places.at(&hypervisor).check().await.map_err(StepError::from),
            Err(error) => Err(error),
        };
        let seen = match (&probed, job.hypervisor.clone()) {
            (_, None) => None,
            (Ok(runtime), Some(name)) => {
                Some(Observation::HypervisorReachable { name, runtime: runtime.clone() })
            }
            (Err(error), Some(name)) => {
                Some(Observation::HypervisorUnreachable { name, reason: chain(error) })
            }
        };
        if let Some(seen) = seen
            && !self.reporter.observe(seen).await
        {
            return Err(StepError::NotReported);
        }
        probed.map(drop)
    }
}
