//! `--wait` and `--timeout`: until a cluster is as a command wants it.

use crate::client::Client;
use crate::error::Failure;
use clap::Args;
use oi_proto::v1;
use std::time::Duration;
use tokio::time::Instant;

/// The flags. A verb that takes longer, or waits for something else, says so with `mut_arg`.
#[derive(Args, Clone, Copy)]
pub struct Wait {
    /// Return when it is so.
    #[arg(long)]
    wait: bool,
    /// How long to wait, seconds.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
}

impl Wait {
    /// How long to wait; none to return at once.
    pub fn limit(self) -> Option<Duration> {
        self.wait.then(|| self.timeout())
    }

    /// How long to wait at most, if at all.
    pub fn timeout(self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// Whether all nodes are ready.
pub fn is_ready(_: &v1::Cluster, nodes: &[v1::Node]) -> bool {
    nodes.iter().all(|n| n.phase() == v1::NodePhase::Ready)
}

/// Whether no node runs anything.
pub fn is_stopped(_: &v1::Cluster, nodes: &[v1::Node]) -> bool {
    nodes.iter().all(|n| n.phase() == v1::NodePhase::Stopped)
}

/// The jobs that a cluster still owes, with what went wrong.
///
/// # Errors
/// Where the server is away.
pub async fn owed(client: &Client, cluster: &str) -> Result<String, Failure> {
    let jobs = client.jobs(cluster).await?;
    let one = |j: &v1::Job| format!("{} {}", j.id, j.message).trim().to_owned();
    Ok(jobs.iter().map(one).collect::<Vec<_>>().join("; "))
}

/// Waits until a cluster and its nodes are `done`, and reports the jobs that it owes
/// meanwhile. Without a limit, or for a plan, it returns at once.
///
/// # Errors
/// Where it takes longer.
pub async fn for_cluster(
    client: &Client,
    name: &str,
    limit: Option<Duration>,
    done: impl Fn(&v1::Cluster, &[v1::Node]) -> bool,
) -> Result<(), Failure> {
    let Some(limit) = limit.filter(|_| !client.is_planning()) else { return Ok(()) };
    let end = Instant::now() + limit;
    let mut said = String::new();
    loop {
        let cluster = client.cluster(name).await?;
        if done(&cluster, &client.nodes(name).await?) {
            return Ok(());
        }
        let owed = owed(client, name).await?;
        if Instant::now() >= end {
            return Err(Failure::TimedOut(format!(
                "cluster {name} is not there yet; owed: {owed}"
            )));
        }
        if owed != said && !owed.is_empty() {
            eprintln!("cluster {name}: {owed}");
            said = owed;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
