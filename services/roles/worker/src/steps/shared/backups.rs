//! Backups: what a job is for, and where a backup is in the store.

use crate::steps::StepError;
use oi_events::{BackupId, ClusterName, ClusterUid, Job, JobTarget};

/// The backup of a job, and its cluster.
pub fn backup_of(job: &Job) -> Result<(ClusterName, BackupId), StepError> {
    match JobTarget::parse(&job.id) {
        Some(JobTarget::Backup { cluster, backup, .. }) => Ok((cluster, backup)),
        _ => Err(StepError::Malformed(job.id.to_string())),
    }
}

/// The prefix of a cluster's backups in the store, or of one of them.
pub fn prefix(uid: ClusterUid, backup: Option<BackupId>) -> String {
    let backup = backup.map(|b| format!("{b}/")).unwrap_or_default();
    format!("clusters/{uid}/{backup}")
}
