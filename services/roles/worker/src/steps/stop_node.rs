//! Nothing of the node runs. Its files stay.

use super::{StepError, Steps};
use crate::place::GRACE;
use oi_events::Job;

impl Steps {
    pub(super) async fn stop_node(&self, job: &Job) -> Result<(), StepError> {
        let ctx = self.node(job)?;
        // First of all, so that a worker whose view is older starts nothing again.
        let fenced = self.place_of(&ctx).put_fenced(ctx.dir(), ctx.node.generation.0, &[]).await;
        // Where the files cannot be changed, the pods end all the same.
        self.end_node(job, &ctx, GRACE).await?;
        self.close_shared_port(&ctx).await?;
        fenced?;
        Ok(())
    }
}
