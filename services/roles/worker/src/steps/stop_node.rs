//! Nothing of the node runs. Its files stay.

use super::{StepError, Steps};
use crate::place::GRACE;
use oi_events::Job;

impl Steps {
    pub(super) async fn stop_node(&self, job: &Job) -> Result<(), StepError> {
        let ctx = self.node(job)?;
        self.end_node(job, &ctx, GRACE).await?;
        self.close_shared_port(&ctx).await
    }
}
