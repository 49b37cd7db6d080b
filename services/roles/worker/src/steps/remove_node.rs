//! Nothing of the node is left on its hypervisor.

use super::{StepError, Steps};
use crate::place::GRACE;
use oi_domain::ClusterPhase;
use oi_events::Job;
use std::time::Duration;

impl Steps {
    pub(super) async fn remove_node(&self, job: &Job) -> Result<(), StepError> {
        let ctx = self.node(job)?;
        let deleted = ctx.cluster.phase == ClusterPhase::Deleting;
        let grace = if deleted { Duration::ZERO } else { GRACE };
        self.drain_for_removal(&ctx).await;
        self.end_node(job, &ctx, grace).await?;
        self.close_shared_port(&ctx).await?;
        let known = self.still_owed(job)?;
        self.remove_files(&self.place_of(&ctx), ctx.cluster.uid, &ctx.name, known).await
    }
}
