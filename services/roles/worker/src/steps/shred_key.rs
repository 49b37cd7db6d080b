//! The backups, the audit logs and the data key of a deleted cluster are destroyed.

use super::shared::backups::prefix;
use super::{StepError, Steps, required};
use oi_events::Job;

impl Steps {
    pub(super) async fn shred_key(&self, job: &Job) -> Result<(), StepError> {
        let uid = required(job, job.cluster_uid)?;
        // Without a store there are no backups.
        if let Some(store) = &self.backups {
            store.remove(&prefix(uid, None)).await?;
        }
        self.remove_left(uid).await;
        Ok(self.key_shredder.destroy(uid).await?)
    }
}
