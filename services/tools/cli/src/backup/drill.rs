//! `oi backup drill`.

use super::newest;
use crate::client::Client;
use crate::cluster::delete::delete;
use crate::cluster::restore::{Replicas, clone, is_restored};
use crate::error::Failure;
use crate::{output, wait};
use clap::Args;
use oi_proto::v1;
use std::time::Duration;
use tokio::time::Instant;

/// Prove that one can be restored: make a cluster of it, wait until its API answers,
/// and delete it again.
#[derive(Args)]
pub struct Drill {
    /// The cluster.
    #[arg(long)]
    cluster: String,
    /// Which backup; the newest where absent.
    #[arg(long)]
    backup: Option<String>,
    /// How long to wait, seconds.
    #[arg(long, default_value_t = 600)]
    timeout: u64,
}

impl Drill {
    /// The drill's cluster stays where it failed, to be looked at.
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let Drill { cluster, backup, timeout } = self;
        let limit = Some(Duration::from_secs(timeout));
        let backup = newest(client, &cluster, backup).await?;
        let tail = backup.rsplit('-').next().unwrap_or(&backup);
        let name = format!("drill-{tail}");
        let start = Instant::now();
        eprintln!("backup {backup} of cluster {cluster}: to be restored as cluster {name}");
        let replicas = Replicas { control_plane_replicas: 1, ingress_replicas: 1 };
        clone(client, &cluster, &name, &backup, replicas).await?;
        wait::for_cluster(client, &name, limit, is_restored).await?;
        if client.is_planning() {
            return Ok(());
        }
        let took = start.elapsed().as_secs_f64();
        delete(client, v1::DeleteCluster { name, forget_orphans: false }, limit).await?;
        output::print(&format!(
            "backup {backup} of cluster {cluster} restores: its SHA-256 is the recorded one, and the API answered with it after {took:.1} s\n"
        ))
    }
}
