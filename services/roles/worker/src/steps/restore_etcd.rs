//! The first member has the data of a backup, as the only member of a new cluster. The other
//! members have no data, and join it. After an abort, each has the data from before.
//!
//! Nothing is lost meanwhile: the data from before is kept beside until the restore has ended
//! ([`ensure_etcd`](super::ensure_etcd)). Each restore is carried out once, also where a worker wakes
//! up late.

use super::{StepError, Steps};
use crate::desired::FileOp;
use crate::desired::etcd::{self, RestoredData};
use crate::place::Place;
use oi_domain::{Restore, RestoreStage};
use oi_events::Job;

impl Steps {
    pub(super) async fn restore_etcd(&self, job: &Job) -> Result<(), StepError> {
        let session = self.session(job).await?;
        let (ctx, place) = (&session.ctx, &session.place);
        let Some(restore) = &ctx.cluster.restore else { return Ok(()) };
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
            self.stage(&session, restore).await?;
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
