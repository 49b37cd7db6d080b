//! Nothing of the node runs. Its files stay.

use super::{StepError, Steps};
use crate::desired::names;
use crate::place::GRACE;
use oi_events::Job;

impl Steps {
    pub(super) async fn stop_node(&self, job: &Job) -> Result<(), StepError> {
        let ctx = self.node(job)?;
        let labels = names::node_labels(ctx.cluster.uid, &ctx.name);
        self.place_of(&ctx).end_pods(&labels, GRACE).await?;
        self.close_shared_port(&ctx).await
    }
}
