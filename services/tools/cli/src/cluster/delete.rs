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
    /// Keep its backups readable for so long after the deletion, for example 30d: until then
    /// `restore --as` makes another cluster of them. Said again for a cluster that is deleted, it
    /// counts from then on; 0s for no longer.
    #[arg(long, value_parser = duration::parse)]
    keep_backups: Option<Duration>,
    #[command(flatten)]
    wait: Wait,
}

impl Delete {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let Delete { name, grace, forget_orphans, keep_backups, wait } = self;
        if let Some(keep) = keep_backups {
            let for_ms = duration::milliseconds(keep);
            client.submit(v1::KeepBackups { name: name.clone(), for_ms }).await?;
        }
        let lost = if client.is_planning() { None } else { lost(client, &name).await };
        match grace {
            None => {
                lost.iter().for_each(|lost| eprintln!("cluster {name}: {lost}"));
                let command = v1::DeleteCluster { name, forget_orphans };
                delete(client, command, wait.limit()).await
            }
            Some(grace) => schedule(client, name, grace, wait.limit(), lost).await,
        }
    }
}

/// Which backups a deletion makes unreadable, before there is nobody left to ask.
async fn lost(client: &Client, name: &str) -> Option<String> {
    let command = v1::DeleteCluster { name: name.to_owned(), forget_orphans: false };
    let plan = match client.plan_of([command.into()].into_iter()).await {
        Ok(plan) => plan,
        // What is not allowed is refused, with its reason, when it is asked for.
        Err(error) => {
            return Some(format!("which backups become unreadable is not known: {error}"));
        }
    };
    let ids: Vec<String> = plan.unreadable_backups.into_iter().map(|b| b.id).collect();
    (!ids.is_empty()).then(|| {
        format!(
            "{} backup(s) become unreadable: {}; `oi cluster delete {name} --keep-backups 30d` keeps them",
            ids.len(),
            ids.join(", ")
        )
    })
}

async fn schedule(
    client: &Client,
    name: String,
    grace: Duration,
    limit: Option<Duration>,
    lost: Option<String>,
) -> Result<(), Failure> {
    let grace_ms = duration::milliseconds(grace);
    client.submit(v1::ScheduleDeletion { name: name.clone(), grace_ms }).await?;
    eprintln!("cluster {name}: stops, and is deleted in {} s", grace.as_secs());
    lost.iter().for_each(|lost| eprintln!("cluster {name}: with that, {lost}"));
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
    while client.clusters(name).await?.iter().any(is_left) {
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
                    match event.event.as_str() {
                        "ClusterDeleted" => return Ok(()),
                        // Its backups may be all that is left.
                        "NodeRemoved" | "NodeOrphaned" => break,
                        _ => {}
                    }
                }
                // The server went away: look again, from where we were.
                Ok(_) => break,
            }
        }
    }
    Ok(())
}

/// Whether something of it is left beside backups that are kept.
fn is_left(cluster: &v1::Cluster) -> bool {
    cluster.nodes > 0 || cluster.backups_until_ms == 0
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
