//! The node's hypervisor has the images of the release that its cluster is upgraded to.

use super::{StepError, Steps};
use crate::desired::names;
use oi_events::Job;

impl Steps {
    pub(super) async fn pull_images(&self, job: &Job) -> Result<(), StepError> {
        let ctx = self.node(job)?;
        let Some(upgrade) = &ctx.cluster.upgrade else { return Ok(()) };
        let place = self.place_of(&ctx);
        for component in &ctx.node.components {
            let image = names::kubernetes_image(component.as_str(), &upgrade.to);
            place.pull(&image).await?;
        }
        Ok(())
    }
}
