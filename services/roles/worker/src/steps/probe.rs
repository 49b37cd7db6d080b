//! Looking at a hypervisor for the first time, and preparing it.

use super::{StepError, Steps};
use oi_events::{Job, Observation};

impl Steps {
    /// The endpoint speaks CRI, the runtime is ready, and the helper runs.
    pub(super) async fn probe_hypervisor(&self, job: &Job) -> Result<Observation, StepError> {
        let malformed = || StepError::Malformed(job.id.to_string());
        let name = job.hypervisor.as_ref().ok_or_else(malformed)?;
        let h = self.view.read(|s| s.hypervisors.get(name).cloned()).ok_or_else(malformed)?;
        let client = self.hypervisors.client(&h)?;
        let runtime = client.version().await?;
        let unready = client.unready_conditions().await?;
        if !unready.is_empty() {
            return Err(StepError::RuntimeNotReady(unready.join("; ")));
        }
        self.hypervisors.fresh_helper(&h).await?;
        Ok(Observation::HypervisorReachable { name: name.clone(), runtime })
    }
}
