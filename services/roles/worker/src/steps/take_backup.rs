//! A snapshot of the cluster's etcd is in the backup store: etcdctl writes it beside a member's
//! data, and the worker uploads it, sealed with the cluster's data key.

use super::shared::backups::{backup_of, prefix};
use super::shared::snapshot_sum::SnapshotSum;
use super::{StepError, Steps, required};
use crate::desired::{FileOp, NodeContext, etcd};
use oi_backup_store::{Writer, Written};
use oi_events::{ClusterName, Hash, Job, JobOutput, SnapshotV1, chain};
use std::time::Duration;
use uuid::Uuid;

/// The limit for a snapshot of a large etcd.
const SNAPSHOT: Duration = Duration::from_secs(300);
/// The size of a piece of the file. Sealed and in base64 it fits into one CRI answer.
const PIECE: u64 = 2 << 20;

impl Steps {
    pub(super) async fn take_backup(&self, job: &Job) -> Result<JobOutput, StepError> {
        let (cluster, backup) = backup_of(job)?;
        let known = |s: &oi_domain::State| s.clusters.get(&cluster)?.backups.get(&backup).cloned();
        if self.view.read(known).is_none_or(|b| b.snapshot.is_some()) {
            return Ok(JobOutput::None);
        }
        let uid = required(job, job.cluster_uid)?;
        let (position, voters) = self.voters(required(job, job.cluster.as_ref())?);
        let mut last = StepError::Membership("no member answers".to_owned());
        for ctx in voters {
            // A name of its own: an earlier attempt may have left half of a file or an object, and
            // another one may be under way.
            let attempt = Uuid::now_v7();
            let file = format!("oi-{backup}-{attempt}{}", etcd::SNAPSHOTS[0]);
            let object = format!("{}{attempt}", prefix(uid, Some(backup)));
            match self.snapshot(&ctx, &file, &object, position).await {
                Ok(snapshot) => return Ok(JobOutput::Backup(snapshot)),
                // Another member may do it.
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The members that vote, and the position of the log.
    fn voters(&self, cluster: &ClusterName) -> (u64, Vec<NodeContext>) {
        self.view.read(|s| {
            let nodes = s.clusters.get(cluster).map(|c| c.nodes.iter()).into_iter().flatten();
            let voters = nodes.filter(|(_, n)| n.is_voter());
            let found = voters.filter_map(|(name, _)| NodeContext::find(s, cluster, name));
            (s.position, found.collect())
        })
    }

    async fn snapshot(
        &self,
        ctx: &NodeContext,
        file: &str,
        object: &str,
        position: u64,
    ) -> Result<SnapshotV1, StepError> {
        let member = self.member(ctx, &ctx.name).await?;
        let member = member.ok_or_else(|| StepError::Membership("it does not run".to_owned()))?;
        let (path, inside) = etcd::data_file(ctx, file);
        let saved = member.run(&["snapshot", "save", &inside], SNAPSHOT).await;
        let uploaded = match saved {
            Ok(_) => self.upload(ctx, &path, object).await,
            Err(error) => Err(error),
        };
        // What a worker that is killed here leaves, a supervisor removes within a day.
        let leftovers = [FileOp::Remove { path: format!("{path}.part") }, FileOp::Remove { path }];
        let removed = self.place_of(ctx).put(&leftovers).await;
        let written = uploaded?;
        removed?;
        let (object, bytes, sha256) = (object.to_owned(), written.bytes, Hash(written.sha256));
        Ok(SnapshotV1 { position, object, bytes, sha256 })
    }

    /// Uploads a file of a hypervisor to the store. What is no whole snapshot is not in the store
    /// afterwards.
    async fn upload(
        &self,
        ctx: &NodeContext,
        path: &str,
        object: &str,
    ) -> Result<Written, StepError> {
        let key = self.keyring.key(ctx.cluster.uid).await?;
        let mut writer = self.store()?.writer(object, key);
        let sent = self.send(ctx, path, &mut writer).await;
        match sent {
            Ok(()) => Ok(writer.finish().await?),
            Err(error) => {
                if let Err(error) = writer.abort().await {
                    tracing::warn!(error = chain(&error), "half of a backup stays in the store");
                }
                Err(error)
            }
        }
    }

    async fn send(
        &self,
        ctx: &NodeContext,
        path: &str,
        writer: &mut Writer,
    ) -> Result<(), StepError> {
        let place = self.place_of(ctx);
        let (mut offset, mut sum) = (0, SnapshotSum::default());
        loop {
            let piece = place.read(path, offset, PIECE).await?.ok_or(StepError::TornSnapshot)?;
            offset += piece.len() as u64;
            sum.update(&piece);
            writer.push(&piece).await?;
            if (piece.len() as u64) < PIECE {
                break;
            }
        }
        if sum.fits() { Ok(()) } else { Err(StepError::TornSnapshot) }
    }
}
