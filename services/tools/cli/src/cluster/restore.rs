//! `oi cluster restore`.

use super::create::nodes;
use crate::backup::newest;
use crate::client::Client;
use crate::error::Failure;
use crate::query::events_from;
use crate::wait::{self, Wait};
use clap::Args;
use oi_proto::v1;

/// Make a cluster what it was at a backup, or make another one of it. The backup is fetched and
/// verified before the cluster is stopped for it. Another one can be restored at any moment.
#[derive(Args)]
#[command(mut_arg("wait", |a| a.help("Return when it runs")))]
#[command(mut_arg("timeout", |a| a.default_value("600")))]
pub struct Restore {
    /// The cluster that the backup is of.
    name: String,
    /// Which backup; the newest where absent.
    #[arg(long)]
    backup: Option<String>,
    /// Leave it as it is, and make a new cluster of that name.
    #[arg(long = "as")]
    new_name: Option<String>,
    /// Give up the restore that is on its way: it goes back to what it was before.
    #[arg(long, conflicts_with_all = ["backup", "new_name"])]
    abort: bool,
    #[command(flatten)]
    replicas: Replicas,
    #[command(flatten)]
    wait: Wait,
}

/// How many nodes a new cluster has.
#[derive(Args)]
pub struct Replicas {
    /// Control-plane nodes of the new cluster.
    #[arg(long, default_value_t = 1, requires = "new_name", value_parser = clap::value_parser!(u8).range(1..=7))]
    pub control_plane_replicas: u8,
    /// Ingress nodes of the new cluster.
    #[arg(long, default_value_t = 1, requires = "new_name", value_parser = clap::value_parser!(u8).range(1..=7))]
    pub ingress_replicas: u8,
}

impl Restore {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        if self.abort {
            client.submit(v1::AbortRestore { name: self.name.clone() }).await?;
            return wait::for_cluster(client, &self.name, self.wait.limit(), is_restored).await;
        }
        let backup = newest(client, &self.name, self.backup).await?;
        let (name, limit) = (self.name, self.wait.limit());
        if let Some(new) = self.new_name {
            clone(client, &name, &new, &backup, self.replicas).await?;
            return wait::for_cluster(client, &new, limit, is_restored).await;
        }
        let asked = client.submit(v1::RestoreCluster { name: name.clone(), backup }).await?;
        wait::for_cluster(client, &name, limit, is_restored).await?;
        let Some(limit) = limit.filter(|_| !client.is_planning()) else { return Ok(()) };
        let end = tokio::time::timeout(limit, check_end(client, &name, asked.position)).await;
        end.unwrap_or_else(|_| Err(Failure::TimedOut(format!("cluster {name} is not there yet"))))
    }
}

/// Whether the restore that was on its way at a position came to its end: one whose backup cannot
/// be read is given up, and the cluster runs as before.
async fn check_end(client: &Client, name: &str, position: u64) -> Result<(), Failure> {
    let mut request = events_from(position + 1, name);
    request.events = ["RestoreEnded", "RestoreAborted", "JobDeadLettered"].map(String::from).into();
    let mut events = client.watch(request).await?;
    let mut why = "it was aborted".to_owned();
    while let Some(event) = events.message().await.map_err(|s| Failure::Call(Box::new(s)))? {
        match event.event.as_str() {
            "RestoreEnded" => return Ok(()),
            "JobDeadLettered" => why = format!("{}: {}", event.job, event.summary),
            _ => break,
        }
    }
    Err(Failure::NotDone(format!("cluster {name} was not restored, and is what it was: {why}")))
}

/// Asks for a new cluster of a backup, and for its nodes.
///
/// # Errors
/// Where one of these is refused.
pub async fn clone(
    client: &Client,
    source: &str,
    name: &str,
    backup: &str,
    replicas: Replicas,
) -> Result<(), Failure> {
    let (name, source, backup) = (name.to_owned(), source.to_owned(), backup.to_owned());
    client.submit(v1::CloneCluster { name: name.clone(), source, backup }).await?;
    for (node, role) in nodes(replicas.control_plane_replicas, replicas.ingress_replicas) {
        let role = v1::Role::from(role).into();
        let hypervisor = String::new();
        client.submit(v1::AddNode { cluster: name.clone(), name: node, role, hypervisor }).await?;
    }
    Ok(())
}

/// Whether a cluster runs with what the backup held.
pub fn is_restored(cluster: &v1::Cluster, nodes: &[v1::Node]) -> bool {
    let done = cluster.phase() == v1::ClusterPhase::Ready && cluster.restoring.is_empty();
    done && wait::is_ready(cluster, nodes)
}
