//! Backups and restores, between requests, the state and answers.

use super::cluster::parse_spec;
use super::{IntoCommand, parse};
use crate::rejected::Rejected;
use oi_domain::{Backup, Cluster};
use oi_events::{
    AbortRestoreV1, BackupClusterV1, BackupId, CloneClusterV1, Command, DeleteBackupV1, Hash,
    ImportClusterV1, KeepBackupsV1, RestoreClusterV1, ScheduleBackupsV1,
};
use oi_proto::v1;

impl IntoCommand for v1::BackupCluster {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(BackupClusterV1 { name: parse("name", &self.name)? }.into())
    }
}

impl IntoCommand for v1::ScheduleBackups {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(ScheduleBackupsV1 {
            name: parse("name", &self.name)?,
            every_ms: self.every_ms,
            keep: self.keep,
        }
        .into())
    }
}

impl IntoCommand for v1::DeleteBackup {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(DeleteBackupV1 {
            cluster: parse("cluster", &self.cluster)?,
            backup: parse("backup", &self.backup)?,
        }
        .into())
    }
}

impl IntoCommand for v1::RestoreCluster {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(RestoreClusterV1 {
            name: parse("name", &self.name)?,
            backup: parse("backup", &self.backup)?,
        }
        .into())
    }
}

impl IntoCommand for v1::AbortRestore {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(AbortRestoreV1 { name: parse("name", &self.name)? }.into())
    }
}

impl IntoCommand for v1::KeepBackups {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(KeepBackupsV1 { name: parse("name", &self.name)?, for_ms: self.for_ms }.into())
    }
}

impl IntoCommand for v1::ImportCluster {
    fn into_command(self) -> Result<Command, Rejected> {
        let spec = self.spec.ok_or_else(|| Rejected::field("spec", "is absent"))?;
        let sha256 =
            if self.sha256.is_empty() { Hash::ZERO } else { parse("sha256", &self.sha256)? };
        let (name, spec) = (parse("name", &self.name)?, parse_spec(spec)?);
        Ok(ImportClusterV1 { name, spec, file: self.file, sha256 }.into())
    }
}

impl IntoCommand for v1::CloneCluster {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(CloneClusterV1 {
            name: parse("name", &self.name)?,
            source: parse("source", &self.source)?,
            backup: parse("backup", &self.backup)?,
        }
        .into())
    }
}

pub fn backups(c: &Cluster) -> v1::ListBackupsResponse {
    let one = |(id, b): (&BackupId, &Backup)| {
        let taken = b.snapshot.as_ref();
        v1::Backup {
            id: id.to_string(),
            requested_at: b.generation.0,
            started_ms: b.started_ms,
            phase: match (b.expired, taken) {
                (true, _) => v1::BackupPhase::Expired,
                (false, None) => v1::BackupPhase::Pending,
                (false, Some(_)) => v1::BackupPhase::Taken,
            }
            .into(),
            position: taken.map_or(0, |s| s.position),
            object: taken.map(|s| s.object.clone()).unwrap_or_default(),
            bytes: taken.map_or(0, |s| s.bytes),
            sha256: taken.map(|s| s.sha256.to_string()).unwrap_or_default(),
        }
    };
    let mut backups: Vec<_> = c.backups.iter().map(one).collect();
    backups.sort_by_key(|b| b.started_ms);
    let (every_ms, keep) = c.schedule.as_ref().map_or((0, 0), |s| (s.every_ms, s.keep));
    v1::ListBackupsResponse { backups, every_ms, keep }
}
