//! The oldest member has the data of a backup, as the only member of a new cluster. The other
//! members have no data, and join it.

use super::{StepError, Steps};
use crate::desired::{FileOp, etcd};
use crate::place::NodeSession;
use oi_domain::Restore;
use oi_events::Job;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The limit for etcdutl.
const LIMIT: Duration = Duration::from_secs(600);

impl Steps {
    pub(super) async fn restore_etcd(&self, job: &Job) -> Result<(), StepError> {
        let session = self.session(job).await?;
        let (ctx, place) = (&session.ctx, &session.place);
        let Some(restore) = &ctx.cluster.restore else { return Ok(()) };
        let etcd::RestorePod { pod, data, snapshot } = etcd::restore_pod(ctx)?;
        place.end_pods(&pod.identity, Duration::ZERO).await?;
        place.put(&[FileOp::Remove { path: data }]).await?;
        if !ctx.cluster.is_oldest(&ctx.name) {
            return Ok(());
        }
        self.download(&session, restore, &snapshot).await?;
        let logs = FileOp::MakeDir { path: pod.log_directory.clone(), mode: 0o700 };
        place.put(&[logs]).await?;
        match place.run_to_end(&pod, LIMIT).await? {
            Some(0) => {}
            Some(code) => return Err(StepError::Restore { code, log: pod.log_directory }),
            None => return Err(StepError::RestoreSlow(LIMIT)),
        }
        place.end_pods(&pod.identity, Duration::ZERO).await?;
        place.put(&[FileOp::Remove { path: snapshot }]).await?;
        Ok(())
    }

    /// Downloads the backup into a file of the hypervisor, and compares its hash with the
    /// recorded one.
    async fn download(
        &self,
        session: &NodeSession,
        restore: &Restore,
        path: &str,
    ) -> Result<(), StepError> {
        let key = self.keyring.key(restore.source).await?;
        let mut reader = self.store()?.reader(&restore.snapshot.object, key).await?;
        let (mut offset, mut hash) = (0, Sha256::new());
        while let Some(frame) = reader.next().await? {
            hash.update(&*frame);
            let content = frame.to_vec();
            let length = content.len() as u64;
            let path = path.to_owned();
            session.place.put(&[FileOp::Extend { path, offset, content }]).await?;
            offset += length;
        }
        let seen: [u8; 32] = hash.finalize().into();
        if seen == restore.snapshot.sha256.0 {
            return Ok(());
        }
        Err(StepError::OtherBackup(restore.snapshot.object.clone()))
    }
}
