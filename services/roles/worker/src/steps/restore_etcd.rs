//! The first member has the data of a backup, as the only member of a new cluster. The other
//! members have no data, and join it. After an abort, each has the data from before.
//!
//! Nothing is lost meanwhile: the data from before is kept beside until the restore has ended
//! ([`ensure_etcd`](super::ensure_etcd)). Each restore is carried out once, also where a worker wakes
//! up late.

use super::{StepError, Steps};
use crate::desired::etcd::{self, RestoredData};
use crate::desired::{FileOp, names};
use crate::place::{GRACE, NodeSession, Place};
use oi_domain::{Restore, RestoreStage};
use oi_events::{Generation, Job};

impl Steps {
    pub(super) async fn restore_etcd(&self, job: &Job) -> Result<(), StepError> {
        let session = self.session(job).await?;
        let Some(restore) = &session.ctx.cluster.restore else { return Ok(()) };
        self.end_earlier(&session).await?;
        self.swap(job, &session, restore).await?;
        // One that began meanwhile has opened the data from before.
        self.end_earlier(&session).await
    }

    /// Ends what a worker with an older view has started again since all was stopped. What is of
    /// this generation runs on the data that this job puts in place.
    async fn end_earlier(&self, session: &NodeSession) -> Result<(), StepError> {
        let ctx = &session.ctx;
        let labels = names::node_labels(ctx.cluster.uid, &ctx.name);
        let earlier = Generation(ctx.node.generation.0.saturating_sub(1));
        session.place.end_pods_until(&labels, earlier, GRACE).await?;
        Ok(())
    }

    async fn swap(
        &self,
        job: &Job,
        session: &NodeSession,
        restore: &Restore,
    ) -> Result<(), StepError> {
        let (ctx, place) = (&session.ctx, &session.place);
        let RestoredData { data, staged, before, mark } = etcd::restored_data(ctx, restore);
        let once = FileOp::Once { path: mark, generation: restore.generation.0 };
        if restore.stage == RestoreStage::Reverting {
            let back = FileOp::Replace { path: data, by: before.clone(), keep: None };
            let kept = restore.before.as_ref().is_some_and(|b| b.members.contains(&ctx.name));
            if kept {
                session.put(&[once, back]).await?;
                return Ok(());
            }
            // It is no member of what there was before: without data, it joins that.
            let none = FileOp::MakeDir { path: before, mode: 0o700 };
            session.put(&[once, none, back]).await?;
            return Ok(());
        }
        // Only a restore that can be aborted has a use for it.
        let keep = (restore.stage != RestoreStage::AtOnce).then_some(before);
        let swap = FileOp::Replace { path: data.clone(), by: staged.clone(), keep };
        if !ctx.cluster.is_first_restored(&ctx.name) {
            let empty = FileOp::MakeDir { path: staged, mode: 0o700 };
            session.put(&[once, empty, swap]).await?;
            return Ok(());
        }
        if restore.stage == RestoreStage::AtOnce {
            self.stage(session, restore).await?;
        }
        self.still_owed(job)?;
        // Looked at before the mark says that it was done.
        let is_there =
            is_of(place, &data, restore).await? || is_of(place, &staged, restore).await?;
        if !is_there {
            return Err(StepError::NotStaged);
        }
        session.put(&[once, swap]).await?;
        // A later restore may have been faster.
        if is_of(place, &data, restore).await? { Ok(()) } else { Err(StepError::NotStaged) }
    }
}

/// Whether a directory holds the data of a restore.
async fn is_of(place: &Place, data: &str, restore: &Restore) -> Result<bool, StepError> {
    let name = place.read(&etcd::restore_name(data), 0, 32).await?;
    Ok(name.is_some_and(|name| name == restore.generation.to_string().as_bytes()))
}
