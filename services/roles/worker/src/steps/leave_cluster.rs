//! The etcd member of a node that goes is out of the cluster.

use super::{StepError, Steps};
use oi_events::{Job, PortUse};

impl Steps {
    pub(super) async fn leave_cluster(&self, job: &Job) -> Result<(), StepError> {
        let ctx = self.node(job)?;
        let voter = self
            .voter(&ctx)
            .await?
            .ok_or_else(|| StepError::Membership("no other member answers".to_owned()))?;
        let url = format!("https://{}", ctx.address(PortUse::EtcdPeer)?);
        // Looked up before it is asked whether the job is still owed: a later member of that name
        // has another id.
        let leaving = voter.member_of(ctx.name.as_str(), &url).await?;
        // Its API server cannot answer without a member: requests in progress end before.
        self.drain_for_removal(&ctx).await;
        self.still_owed(job)?;
        match leaving {
            Some(member) => voter.remove(&member).await,
            None => Ok(()),
        }
    }
}
