//! `oi cluster delete` and `oi cluster undelete`.

use crate::client::Client;
use crate::error::Failure;
use crate::query::events_from;
use crate::wait::{self, Wait};
use crate::{duration, watch};
use clap::Args;
use oi_proto::v1;
use std::time::Duration;
use tokio::time::Instant;

/// Remove a cluster with all its nodes and data.
#[derive(Args)]
#[command(mut_arg("wait", |a| a.help("Return when nothing of it is left")))]
pub struct Delete {
    /// Its name.
    name: String,
    /// Only stop it now, and delete it after this long, for example 24h; until then
    /// `undelete` brings it back.
    #[arg(long, value_parser = duration::parse)]
    grace: Option<Duration>,
    /// Forget what is left on hypervisors that are away; without this it is cleared
    /// when they are back.
    #[arg(long, conflicts_with = "grace")]
    forget_orphans: bool,
    #[command(flatten)]
    wait: Wait,
}

impl Delete {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let Delete { name, grace, forget_orphans, wait } = self;
        match grace {
            None => delete(client, v1::DeleteCluster { name, forget_orphans }, wait.limit()).await,
            Some(grace) => schedule(client, name, grace, wait.limit()).await,
        }
    }
}

async fn schedule(
    client: &Client,
    name: String,
    grace: Duration,
    limit: Option<Duration>,
) -> Result<(), Failure> {
    let grace_ms = duration::milliseconds(grace);
    client.submit(v1::ScheduleDeletion { name: name.clone(), grace_ms }).await?;
    eprintln!("cluster {name}: stops, and is deleted in {} s", grace.as_secs());
    wait::for_cluster(client, &name, limit, wait::is_stopped).await
}

/// Deletes a cluster; with a limit, waits until nothing of it is left.
pub async fn delete(
    client: &Client,
    command: v1::DeleteCluster,
    limit: Option<Duration>,
) -> Result<(), Failure> {
    let name = &command.name.clone();
    let mut next = client.submit(command).await?.position;
    let Some(limit) = limit.filter(|_| !client.is_planning()) else {
        eprintln!("cluster {name}: deletion started");
        return Ok(());
    };
    let end = Instant::now() + limit;
    while !client.clusters(name).await?.is_empty() {
        let mut events = client.watch(events_from(next, name)).await?;
        loop {
            match tokio::time::timeout_at(end, events.message()).await {
                Err(_) => {
                    let owed = wait::owed(client, name).await?;
                    return Err(Failure::TimedOut(format!(
                        "cluster {name} is still being deleted; owed: {owed}"
                    )));
                }
                Ok(Ok(Some(event))) => {
                    next = event.position + 1;
                    eprintln!("{}", watch::progress(&event));
                    if event.event == "ClusterDeleted" {
                        return Ok(());
                    }
                }
                // The server went away: look again, from where we were.
                Ok(_) => break,
            }
        }
    }
    Ok(())
}

/// Bring a cluster back that waits for its deletion.
#[derive(Args)]
pub struct Undelete {
    /// Its name.
    name: String,
}

impl Undelete {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        client.submit(v1::UndeleteCluster { name: self.name.clone() }).await?;
        eprintln!("cluster {}: stays, and runs again", self.name);
        Ok(())
    }
}
