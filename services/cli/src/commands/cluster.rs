//! `oi cluster …`

use crate::client::Client;
use crate::error::Failure;
use crate::flags::Cluster;
use crate::{documents, output, reconcile};
use oi_proto::manifest;
use oi_proto::v1::{self, submit_request::Command};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

pub async fn run(client: Client, command: Cluster) -> Result<(), Failure> {
    match command {
        Cluster::Inject(flags) => {
            let all =
                documents::inject(documents::read(Path::new("-"))?, documents::cluster(&flags)?)?;
            output::print(&manifest::write(&all)?)
        }
        Cluster::Create(flags) => {
            for document in documents::cluster(&flags)? {
                let (done, command) = reconcile::command(&document);
                client.submit(command).await?;
                eprintln!("{done}");
            }
            if flags.control_plane_replicas == 0 || flags.ingress_replicas == 0 {
                eprintln!("it needs nodes of both roles to be of use: see `oi node create --help`");
            }
            Ok(())
        }
        Cluster::List { output } => {
            let rows = client.clusters("").await?.iter().map(output::cluster).collect();
            output::rows(output.output, rows, false)
        }
        Cluster::Get { name, output } => {
            let found = client.clusters(&name).await?;
            if found.is_empty() {
                return Err(Failure::NotFound(format!("cluster {name} is not known")));
            }
            output::rows(output.output, found.iter().map(output::cluster).collect(), true)
        }
        Cluster::Delete { name, wait, timeout } => {
            delete(&client, &name, wait.then_some(Duration::from_secs(timeout))).await
        }
        Cluster::Kubeconfig { cluster, endpoint_host_override, user, group, hours } => {
            let request = v1::CreateKubeconfigRequest {
                cluster,
                endpoint_host_override,
                user,
                groups: vec![group],
                lifetime_seconds: hours.saturating_mul(3600),
                actor: String::new(),
            };
            output::print(&client.kubeconfig(request).await?.kubeconfig)
        }
    }
}

async fn delete(client: &Client, name: &str, wait: Option<Duration>) -> Result<(), Failure> {
    let command = v1::DeleteCluster { name: name.to_owned() };
    client.submit(Command::DeleteCluster(command)).await?;
    eprintln!("cluster {name}: deletion started");
    let Some(limit) = wait else { return Ok(()) };
    let end = Instant::now() + limit;
    let mut left = u32::MAX;
    while let Some(cluster) = client.clusters(name).await?.into_iter().next() {
        if cluster.nodes != left {
            left = cluster.nodes;
            eprintln!("cluster {name}: {left} node(s) left");
        }
        if Instant::now() >= end {
            let jobs = client.jobs(name).await?;
            let why: Vec<_> = jobs.iter().map(|j| format!("{} {}", j.id, j.message)).collect();
            return Err(Failure::TimedOut(format!(
                "cluster {name} is still being deleted; owed: {}",
                why.join("; ")
            )));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    eprintln!("cluster {name}: gone");
    Ok(())
}
