//! The data of a backup is unpacked beside that of the member: fetched, opened and verified. What
//! runs is not touched, so that a backup that is not there, or is damaged, harms nothing.

use super::shared::snapshot_sum::SnapshotSum;
use super::{StepError, Steps};
use crate::desired::FileOp;
use crate::desired::etcd::{self, RestoreAttempt, RestoredData};
use crate::place::NodeSession;
use oi_domain::Restore;
use oi_events::{Hash, Job};
use sha2::{Digest, Sha256};
use std::time::Duration;
use uuid::Uuid;

/// The limit for etcdutl.
const LIMIT: Duration = Duration::from_secs(600);

impl Steps {
    pub(super) async fn stage_restore(&self, job: &Job) -> Result<(), StepError> {
        let session = self.session(job).await?;
        let Some(restore) = &session.ctx.cluster.restore else { return Ok(()) };
        self.stage(&session, restore).await
    }

    /// Unpacks a backup in a directory of its own, which no other attempt knows.
    pub(super) async fn stage(
        &self,
        session: &NodeSession,
        restore: &Restore,
    ) -> Result<(), StepError> {
        let name = format!("{}-{}", restore.generation, Uuid::now_v7());
        let attempt = etcd::restore_attempt(&session.ctx, &name)?;
        let unpacked = self.unpack(session, restore, &attempt).await;
        // After a failure, nothing stays; after a success, the snapshot does not.
        let removed = session.place.put(&[FileOp::Remove { path: attempt.dir }]).await;
        unpacked?;
        removed?;
        Ok(())
    }

    async fn unpack(
        &self,
        session: &NodeSession,
        restore: &Restore,
        attempt: &RestoreAttempt,
    ) -> Result<(), StepError> {
        let (place, pod) = (&session.place, &attempt.pod);
        self.download(session, restore, &attempt.snapshot).await?;
        // An earlier attempt may have been cut off.
        let generation = session.ctx.node.generation;
        place.end_pods_until(&pod.identity, generation, Duration::ZERO).await?;
        let logs = FileOp::MakeDir { path: pod.log_directory.clone(), mode: 0o700 };
        session.put(&[logs]).await?;
        let ended = place.run_to_end(pod, LIMIT).await;
        place.end_pods_until(&pod.identity, generation, Duration::ZERO).await?;
        match ended? {
            Some(0) => {}
            Some(code) => {
                return Err(StepError::Restore { code, log: pod.log_directory.clone() });
            }
            None => return Err(StepError::RestoreSlow(LIMIT)),
        }
        let RestoredData { staged, .. } = etcd::restored_data(&session.ctx, restore);
        let name = FileOp::Write {
            path: etcd::restore_name(&attempt.data),
            mode: 0o600,
            content: restore.generation.to_string().into_bytes(),
        };
        let by = attempt.data.clone();
        session.put(&[name, FileOp::Replace { path: staged, by, keep: None }]).await?;
        Ok(())
    }

    /// Downloads the backup into a file of the hypervisor. It must be what was recorded, and a
    /// whole snapshot of etcd.
    async fn download(
        &self,
        session: &NodeSession,
        restore: &Restore,
        path: &str,
    ) -> Result<(), StepError> {
        let object = &restore.snapshot.object;
        let imported = restore.snapshot.is_imported();
        let mut reader = if imported {
            self.store()?.plain_reader(object).await?
        } else {
            let key = self.keyring.key(restore.source).await?;
            self.store()?.reader(object, key).await?
        };
        let (mut offset, mut hash, mut sum) = (0, Sha256::new(), SnapshotSum::default());
        while let Some(frame) = reader.next().await? {
            hash.update(&*frame);
            sum.update(&frame);
            let content = frame.to_vec();
            let length = content.len() as u64;
            let path = path.to_owned();
            session.put(&[FileOp::Extend { path, offset, content }]).await?;
            offset += length;
        }
        let (seen, recorded) = (Hash(hash.finalize().into()), restore.snapshot.sha256);
        let is_known = !imported || recorded != Hash::ZERO;
        if is_known && seen != recorded {
            return Err(StepError::OtherBackup(object.clone()));
        }
        if sum.fits() { Ok(()) } else { Err(StepError::DamagedBackup(object.clone())) }
    }
}
