//! `oi backup create`.

use super::list;
use crate::client::Client;
use crate::error::Failure;
use crate::output;
use crate::wait::Wait;
use clap::Args;
use oi_proto::v1;
use std::time::Duration;
use tokio::time::Instant;

/// Take one now; prints its id.
#[derive(Args)]
#[command(mut_arg("wait", |a| a.help("Return when it is in the store")))]
pub struct Create {
    /// The cluster.
    #[arg(long)]
    cluster: String,
    #[command(flatten)]
    wait: Wait,
}

impl Create {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let cluster = &self.cluster;
        let position = client.submit(v1::BackupCluster { name: cluster.clone() }).await?.position;
        if client.is_planning() {
            return Ok(());
        }
        let end = self.wait.limit().map(|limit| Instant::now() + limit);
        loop {
            let all = list(client, cluster).await?;
            let Some(found) = all.into_iter().find(|b| b.requested_at == position) else {
                return Err(Failure::NotFound(format!("the backup of {cluster} was removed")));
            };
            match end {
                Some(end) if found.phase() != v1::BackupPhase::Taken => {
                    if Instant::now() >= end {
                        return Err(late(client, cluster, &found.id).await?);
                    }
                }
                _ => return output::print(&format!("{}\n", found.id)),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Says why it is not taken.
async fn late(client: &Client, cluster: &str, id: &str) -> Result<Failure, Failure> {
    let jobs = client.jobs(cluster).await?;
    let why = jobs.into_iter().find(|j| j.id.contains(id)).map(|j| j.message).unwrap_or_default();
    Ok(Failure::TimedOut(format!("backup {id} is not taken yet: {why}")))
}
