//! Putting what a backup holds in the place of a member's data.

use super::{Site, StepError, Steps};
use crate::pods::etcd;
use oi_cri::{FileOp, ensure_container, ensure_sandbox};
use oi_domain::Restore;
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// How long etcdutl may take.
const RESTORE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(100);

impl Steps {
    /// The oldest member has the backup's data, as the only member of a new membership;
    /// the others have none, and join it.
    pub(super) async fn restore_etcd(&self, site: &Site) -> Result<(), StepError> {
        let target = &site.target;
        let Some(restore) = &target.cluster.restore else { return Ok(()) };
        let first = target.cluster.is_oldest(&target.name);
        let (pod, data, snapshot) = etcd::restore_pod(target)?;
        self.end_pods(&target.hypervisor, &pod.identity, Duration::ZERO).await?;
        site.helper.put(&[FileOp::Remove { path: data }]).await?;
        if !first {
            return Ok(());
        }
        self.fetch(site, restore, &snapshot).await?;
        let logs = FileOp::MakeDir { path: pod.log_directory.clone(), mode: 0o700 };
        site.helper.put(&[logs]).await?;
        site.client.ensure_image(&pod.containers[0].image).await?;
        let sandbox = ensure_sandbox(&site.client, &pod).await?;
        let (id, _) = ensure_container(&site.client, &sandbox, &pod, &pod.containers[0]).await?;
        let end = Instant::now() + RESTORE;
        let code = loop {
            match site.client.exit_code(&id).await? {
                Some(code) => break code,
                None if Instant::now() >= end => return Err(StepError::RestoreSlow(RESTORE)),
                None => tokio::time::sleep(PAUSE).await,
            }
        };
        if code != 0 {
            return Err(StepError::Restore { code, log: pod.log_directory });
        }
        self.end_pods(&target.hypervisor, &pod.identity, Duration::ZERO).await?;
        site.helper.put(&[FileOp::Remove { path: snapshot }]).await?;
        Ok(())
    }

    /// The backup is in a file of the hypervisor, and is what was recorded.
    async fn fetch(&self, site: &Site, restore: &Restore, path: &str) -> Result<(), StepError> {
        let key = self.keyring.key(restore.source).await?;
        let mut reader = self.store()?.reader(&restore.snapshot.object, key).await?;
        let (mut offset, mut hash) = (0, Sha256::new());
        while let Some(frame) = reader.next().await? {
            hash.update(&*frame);
            let content = frame.to_vec();
            let length = content.len() as u64;
            let path = path.to_owned();
            site.helper.put(&[FileOp::Extend { path, offset, content }]).await?;
            offset += length;
        }
        let seen: [u8; 32] = hash.finalize().into();
        if seen == restore.snapshot.sha256.0 {
            return Ok(());
        }
        Err(StepError::OtherBackup(restore.snapshot.object.clone()))
    }
}
