//! Snapshots of a cluster's etcd, from a member into the backup store.

use super::{StepError, Steps};
use crate::names;
use crate::pods::Target;
use oi_cri::FileOp;
use oi_domain::Backup;
use oi_events::{BackupId, ClusterUid, Hash, Job, JobTarget, Observation, SnapshotV1};
use std::time::Duration;
use uuid::Uuid;

/// A large etcd takes a while.
const SNAPSHOT: Duration = Duration::from_secs(300);
/// How much is read at a time: sealed and in base64 it stays below what one CRI answer
/// may have.
const PIECE: u64 = 2 << 20;

impl Steps {
    fn backup(&self, job: &Job) -> Result<(BackupId, Option<Backup>), StepError> {
        let Some(JobTarget::Backup { cluster, backup, .. }) = JobTarget::parse(&job.id) else {
            return Err(StepError::Malformed(job.id.to_string()));
        };
        let known = |s: &oi_domain::State| s.clusters.get(&cluster)?.backups.get(&backup).cloned();
        Ok((backup, self.view.read(known)))
    }

    /// A snapshot is in the store, and what it is.
    pub(super) async fn take_backup(&self, job: &Job) -> Result<Option<Observation>, StepError> {
        let malformed = || StepError::Malformed(job.id.to_string());
        let (backup, known) = self.backup(job)?;
        if known.is_none_or(|b| b.snapshot.is_some()) {
            return Ok(None);
        }
        let cluster = job.cluster.clone().ok_or_else(malformed)?;
        let uid = job.cluster_uid.ok_or_else(malformed)?;
        let (position, targets) = self.view.read(|s| {
            let nodes = s.clusters.get(&cluster).map(|c| c.nodes.iter()).into_iter().flatten();
            let voters = nodes.filter(|(_, n)| n.is_voter());
            let targets = voters.filter_map(|(name, _)| Target::find(s, &cluster, name));
            (s.position, targets.collect::<Vec<_>>())
        });
        let mut last = StepError::Membership("no member answers".to_owned());
        for target in targets {
            // Another life of the same attempt may have left half of it.
            let object = format!("{}{}", prefix(uid, Some(backup)), Uuid::now_v7());
            match self.snapshot(&target, backup, &object, position).await {
                Ok(snapshot) => {
                    return Ok(Some(Observation::BackupTaken { cluster, backup, snapshot }));
                }
                // Another member may do it.
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn snapshot(
        &self,
        target: &Target,
        backup: BackupId,
        object: &str,
        position: u64,
    ) -> Result<SnapshotV1, StepError> {
        let member = self.member(target, &target.name).await?;
        let member = member.ok_or_else(|| StepError::Membership("it does not run".to_owned()))?;
        let file = format!("oi-{backup}.snapshot");
        let path = format!("{}/etcd/data/{file}", target.dir());
        let save = ["snapshot", "save", &format!("/var/lib/etcd/{file}")].map(str::to_owned);
        let saved = member.etcdctl_within(&save, SNAPSHOT).await;
        let sent = match saved {
            Ok(_) => self.send(target, &path, object).await,
            Err(error) => Err(error),
        };
        let helper = self.hypervisors.helper(&target.hypervisor).await?;
        let orphans = [FileOp::Remove { path: format!("{path}.part") }, FileOp::Remove { path }];
        let removed = helper.put(&orphans).await;
        let written = self.noted(&target.hypervisor, sent)?;
        self.noted(&target.hypervisor, removed.map_err(StepError::from))?;
        let (object, bytes, sha256) = (object.to_owned(), written.bytes, Hash(written.sha256));
        Ok(SnapshotV1 { position, object, bytes, sha256 })
    }

    /// A file of a hypervisor goes to the store.
    async fn send(
        &self,
        target: &Target,
        path: &str,
        object: &str,
    ) -> Result<oi_backup_store::Written, StepError> {
        let key = self.keyring.key(target.cluster.uid).await?;
        let helper = self.hypervisors.helper(&target.hypervisor).await?;
        let mut writer = self.store()?.writer(object, key);
        let mut offset = 0;
        loop {
            let piece = helper.read(path, offset, PIECE).await?;
            offset += piece.len() as u64;
            writer.push(&piece).await?;
            if (piece.len() as u64) < PIECE {
                return Ok(writer.finish().await?);
            }
        }
    }

    /// Nothing of a backup is in the store.
    pub(super) async fn drop_backup(&self, job: &Job) -> Result<(), StepError> {
        let uid = job.cluster_uid.ok_or_else(|| StepError::Malformed(job.id.to_string()))?;
        let (backup, _) = self.backup(job)?;
        Ok(self.store()?.remove(&prefix(uid, Some(backup))).await?)
    }

    /// Nothing is left in the store of a cluster that is deleted.
    pub(super) async fn drop_all_backups(&self, uid: ClusterUid) -> Result<(), StepError> {
        match &self.backups {
            Some(store) => Ok(store.remove(&prefix(uid, None)).await?),
            None => Ok(()),
        }
    }
}

/// Where the backups of a cluster are, or one of them.
fn prefix(uid: ClusterUid, backup: Option<BackupId>) -> String {
    let backup = backup.map(|b| format!("{b}/")).unwrap_or_default();
    format!("{}/{backup}", names::backups(uid))
}
