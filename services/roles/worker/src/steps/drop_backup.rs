//! Nothing of a backup is in the store.

use super::shared::backups::{backup_of, prefix};
use super::{StepError, Steps, required};
use oi_events::Job;

impl Steps {
    pub(super) async fn drop_backup(&self, job: &Job) -> Result<(), StepError> {
        let uid = required(job, job.cluster_uid)?;
        let (_, backup) = backup_of(job)?;
        Ok(self.store()?.remove(&prefix(uid, Some(backup))).await?)
    }
}
