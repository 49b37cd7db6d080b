//! The first member has the data of a backup, as the only member of a new cluster. The other
//! members have no data, and join it. After an abortion, each has the data from before.
//!
//! Nothing is lost meanwhile: the data from before is kept beside until the restore has ended
//! ([`ensure_etcd`](super::ensure_etcd)). Each restore is carried out once, also where a worker wakes
//! up late.

use super::{StepError, Steps};
use crate::desired::FileOp;
use crate::desired::etcd::{self, RestoredData};
use oi_domain::RestoreStage;
use oi_events::Job;

impl Steps {
    pub(super) async fn restore_etcd(&self, job: &Job) -> Result<(), StepError> {
        let session = self.session(job).await?;
        let (ctx, place) = (&session.ctx, &session.place);
        let Some(restore) = &ctx.cluster.restore else { return Ok(()) };
        let RestoredData { data, staged, before, mark } = etcd::restored_data(ctx, restore);
        let once = FileOp::Once { path: mark, generation: restore.generation.0 };
        if restore.stage == RestoreStage::Reverting {
            let back = FileOp::Replace { path: data, by: before, keep: None };
            place.put(&[once, back]).await?;
            return Ok(());
        }
        let swap = FileOp::Replace { path: data.clone(), by: staged.clone(), keep: Some(before) };
        if !ctx.cluster.is_first_restored(&ctx.name) {
            let empty = FileOp::MakeDir { path: staged, mode: 0o700 };
            place.put(&[once, empty, swap]).await?;
            return Ok(());
        }
        if restore.stage == RestoreStage::AtOnce {
            self.stage(&session, restore).await?;
        }
        place.put(&[once, swap]).await?;
        // It has not vanished meanwhile.
        let name = place.read(&etcd::restore_name(&data), 0, 32).await?;
        if name == restore.generation.to_string().as_bytes() {
            return Ok(());
        }
        Err(StepError::NotStaged)
    }
}
