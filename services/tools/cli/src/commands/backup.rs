//! `oi backup …`

use super::cluster::{delete, wait_for};
use crate::client::Client;
use crate::error::Failure;
use crate::flags::Backup;
use crate::output;
use oi_proto::v1::{self, submit_request::Command};
use std::time::Duration;
use tokio::time::Instant;

pub async fn run(client: Client, command: Backup) -> Result<(), Failure> {
    match command {
        Backup::Create { cluster, wait, timeout } => create(&client, &cluster, wait, timeout).await,
        Backup::List { cluster, output } => {
            let all = client.backups(&cluster).await?.backups;
            output::rows(output.output, all.iter().map(output::backup).collect(), false)
        }
        Backup::Schedule { cluster, every, keep } => {
            let every_ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
            let command = v1::ScheduleBackups { name: cluster, every_ms, keep };
            client.submit(Command::ScheduleBackups(command)).await.map(drop)
        }
        Backup::Delete { id, cluster } => {
            let command = v1::DeleteBackup { cluster, backup: id };
            client.submit(Command::DeleteBackup(command)).await.map(drop)
        }
        Backup::Drill { cluster, backup, timeout } => {
            drill(&client, &cluster, backup, timeout).await
        }
    }
}

async fn create(client: &Client, cluster: &str, wait: bool, seconds: u64) -> Result<(), Failure> {
    let command = v1::BackupCluster { name: cluster.to_owned() };
    let position = client.submit(Command::BackupCluster(command)).await?.position;
    if client.is_planning() {
        return Ok(());
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        let all = client.backups(cluster).await?.backups;
        let found = all.into_iter().find(|b| b.requested_at == position);
        let Some(found) = found else {
            return Err(Failure::NotFound(format!("the backup of {cluster} was removed")));
        };
        if !wait || found.phase() == v1::BackupPhase::Taken {
            return output::print(&format!("{}\n", found.id));
        }
        if Instant::now() >= end {
            let jobs = client.jobs(cluster).await?;
            let why = jobs.iter().find(|j| j.id.contains(&found.id)).map(|j| j.message.clone());
            let why = why.unwrap_or_default();
            return Err(Failure::TimedOut(format!("backup {} is not taken yet: {why}", found.id)));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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
    let all = client.backups(cluster).await?.backups;
    let taken = all.into_iter().rev().find(|b| b.phase() == v1::BackupPhase::Taken);
    taken.map(|b| b.id).ok_or_else(|| {
        Failure::NotFound(format!("cluster {cluster} has no backup: see `oi backup create`"))
    })
}

/// Asks for a new cluster of a backup, and for its nodes.
///
/// # Errors
/// Where one of these is refused.
pub async fn clone(
    client: &Client,
    source: &str,
    name: &str,
    backup: String,
    (control_planes, ingresses): (u8, u8),
) -> Result<(), Failure> {
    let (source, new) = (source.to_owned(), name.to_owned());
    let command = v1::CloneCluster { name: new, source, backup };
    client.submit(Command::CloneCluster(command)).await?;
    let roles = [
        ("cp", v1::Role::ControlPlane, control_planes),
        ("lb", v1::Role::ControlPlaneIngress, ingresses),
    ];
    for (prefix, role, count) in roles {
        for n in 1..=count {
            let (cluster, name) = (name.to_owned(), format!("{prefix}-{n}"));
            let (role, hypervisor) = (role.into(), String::new());
            let command = v1::AddNode { cluster, name, role, hypervisor };
            client.submit(Command::AddNode(command)).await?;
        }
    }
    Ok(())
}

/// Whether a cluster runs with what the backup held.
pub fn restored(cluster: &v1::Cluster, nodes: &[v1::Node]) -> bool {
    let ready = |n: &v1::Node| n.phase() == v1::NodePhase::Ready;
    let done = cluster.phase() == v1::ClusterPhase::Ready && cluster.restoring.is_empty();
    done && nodes.iter().all(ready)
}

/// The drill's cluster stays where it failed, to be looked at.
async fn drill(
    client: &Client,
    cluster: &str,
    backup: Option<String>,
    seconds: u64,
) -> Result<(), Failure> {
    let backup = newest(client, cluster, backup).await?;
    let tail = backup.rsplit('-').next().unwrap_or(&backup);
    let name = format!("drill-{tail}");
    let start = Instant::now();
    eprintln!("backup {backup} of cluster {cluster}: to be restored as cluster {name}");
    clone(client, cluster, &name, backup.clone(), (1, 1)).await?;
    wait_for(client, &name, true, seconds, restored).await?;
    if client.is_planning() {
        return Ok(());
    }
    let took = start.elapsed().as_secs_f64();
    let command = v1::DeleteCluster { name: name.clone(), forget_orphans: false };
    delete(client, command, Some(Duration::from_secs(seconds))).await?;
    output::print(&format!(
        "backup {backup} of cluster {cluster} restores: its SHA-256 is the recorded one, and the API answered with it after {took:.1} s\n"
    ))
}
