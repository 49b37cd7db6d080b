//! How a member joins: as a learner, which votes once it has caught up.

use super::etcdctl::{CHANGE_TRIES, PAUSE};
use crate::desired::NodeContext;
use crate::desired::etcd::{self, Joining};
use crate::steps::{StepError, Steps};
use oi_domain::ClusterPhase;
use oi_events::{Job, PortUse};

impl Steps {
    /// How the member of a job's node finds the others. Unless it is a member, it is added as a
    /// learner.
    pub(in crate::steps) async fn join(
        &self,
        job: &Job,
        ctx: &NodeContext,
    ) -> Result<Joining, StepError> {
        let own = etcd::member_entry(ctx)?;
        let cluster = &ctx.cluster;
        if ctx.node.joined {
            // Its data knows the others. Without data, etcd refuses to start.
            return Ok(Joining { initial_cluster: own, state: "existing" });
        }
        let others = cluster.nodes.iter().any(|(name, n)| *name != ctx.name && n.joined);
        // Only here may etcd start without data: a cluster that was ready has some.
        let is_first = cluster.is_oldest(&ctx.name);
        if is_first && !others && cluster.phase == ClusterPhase::Creating {
            return Ok(Joining { initial_cluster: own, state: "new" });
        }
        let url = format!("https://{}", ctx.address(PortUse::EtcdPeer)?);
        let Some(voter) = self.voter(ctx).await? else {
            return Err(StepError::Membership("no other member answers".to_owned()));
        };
        // etcd accepts no new member beside one that is down. That one is removed first, which
        // etcd refuses where the others are no majority.
        if let Some(broken) = &ctx.node.replaces
            && let Some(node) = cluster.nodes.get(broken).filter(|n| n.broken)
        {
            let url = ctx.address_of(broken, node, PortUse::EtcdPeer)?;
            let gone = voter.member_of(broken.as_str(), &format!("https://{url}")).await?;
            self.still_owed(job)?;
            if let Some(member) = gone {
                voter.remove(&member).await?;
            }
        }
        voter.add_learner(ctx.name.as_str(), &url).await?;
        let mut entries = Vec::new();
        for member in voter.members().await? {
            for peer in &member.peer_urls {
                let name = if *peer == url { ctx.name.as_str() } else { &member.name };
                entries.push(format!("{name}={peer}"));
            }
        }
        Ok(Joining { initial_cluster: entries.join(","), state: "existing" })
    }

    /// Lets the node's member vote, once it has caught up.
    pub(in crate::steps) async fn promote(&self, ctx: &NodeContext) -> Result<(), StepError> {
        let Some(voter) = self.voter(ctx).await? else { return Ok(()) };
        let url = format!("https://{}", ctx.address(PortUse::EtcdPeer)?);
        let mut last = None;
        for _ in 0..CHANGE_TRIES {
            let members = voter.members().await?;
            let Some(own) = members.iter().find(|m| m.is_at(&url)) else {
                return Err(StepError::Membership(format!("{} is no member", ctx.name)));
            };
            if !own.is_learner {
                return Ok(());
            }
            match voter.promote(own).await {
                Ok(()) => return Ok(()),
                // It has not caught up yet.
                Err(e) => last = Some(e),
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(last.unwrap_or_else(|| StepError::Membership("not promoted".to_owned())))
    }
}
