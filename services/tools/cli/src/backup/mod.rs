//! `oi backup …`.

mod create;
mod drill;

use crate::client::Client;
use crate::duration;
use crate::error::Failure;
use crate::output::{Output, moment, word};
use clap::Subcommand;
use oi_proto::v1;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Subcommand)]
pub enum BackupVerb {
    Create(create::Create),
    /// All backups of a cluster, the oldest first.
    List {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        #[command(flatten)]
        output: Output,
    },
    /// Take one again and again.
    Schedule {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        /// How long after one the next begins, for example 6h; 0s for no more.
        #[arg(long, value_parser = duration::parse)]
        every: Duration,
        /// How many are kept, the newest ones; 0 for all.
        #[arg(long, default_value_t = 0)]
        keep: u32,
    },
    /// Remove one.
    Delete {
        /// Its id.
        id: String,
        /// The cluster.
        #[arg(long)]
        cluster: String,
    },
    Drill(drill::Drill),
}

pub async fn run(client: &Client, verb: BackupVerb) -> Result<(), Failure> {
    match verb {
        BackupVerb::Create(create) => create.run(client).await,
        BackupVerb::List { cluster, output } => {
            output.list(list(client, &cluster).await?.iter().map(row))
        }
        BackupVerb::Schedule { cluster, every, keep } => {
            let every_ms = duration::milliseconds(every);
            client.submit(v1::ScheduleBackups { name: cluster, every_ms, keep }).await.map(drop)
        }
        BackupVerb::Delete { id, cluster } => {
            client.submit(v1::DeleteBackup { cluster, backup: id }).await.map(drop)
        }
        BackupVerb::Drill(drill) => drill.run(client).await,
    }
}

/// The backups of a cluster, the oldest first.
async fn list(client: &Client, cluster: &str) -> Result<Vec<v1::Backup>, Failure> {
    let request = v1::ListBackupsRequest { cluster: cluster.to_owned() };
    let reply = client.call(request, async |mut api, r| api.list_backups(r).await);
    Ok(reply.await?.backups)
}

/// The backup that is named, or else the newest one that is taken.
///
/// # Errors
/// Where there is none.
pub async fn newest(
    client: &Client,
    cluster: &str,
    named: Option<String>,
) -> Result<String, Failure> {
    if let Some(id) = named {
        return Ok(id);
    }
    let all = list(client, cluster).await?;
    let taken = all.into_iter().rev().find(|b| b.phase() == v1::BackupPhase::Taken);
    taken.map(|b| b.id).ok_or_else(|| {
        Failure::NotFound(format!("cluster {cluster} has no backup: see `oi backup create`"))
    })
}

fn row(b: &v1::Backup) -> Value {
    json!({
        "id": b.id, "phase": word(b.phase().as_str_name(), "BACKUP_PHASE_"),
        "started": moment(b.started_ms), "position": b.position, "bytes": b.bytes,
        "sha256": b.sha256, "object": b.object,
    })
}
