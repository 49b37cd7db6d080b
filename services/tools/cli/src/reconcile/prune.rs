//! `--prune`: nodes that no document asks for go, one after the other.

use super::known::{declares, shown};
use super::progress::Progress;
use crate::client::Client;
use crate::error::Failure;
use oi_proto::manifest::{Document, NodeRole};
use oi_proto::v1;
use std::time::Duration;
use tokio::time::Instant;

/// Refuses documents of which a cluster could not live.
///
/// # Errors
/// Names the cluster, and what its documents lack.
pub fn check(documents: &[Document], surplus: &[v1::Node]) -> Result<(), Failure> {
    for node in surplus {
        let cluster = &node.cluster;
        for (role, what) in [
            (NodeRole::ControlPlane, "control-plane node"),
            (NodeRole::ControlPlaneIngress, "ingress"),
        ] {
            if !declares(documents, cluster, role) {
                return Err(Failure::Input(format!(
                    "--prune would leave cluster {cluster} without any {what}: its documents declare none; are they all there?"
                )));
            }
        }
    }
    Ok(())
}

/// Says what would happen, and then removes the nodes, each when the one before it is gone.
///
/// # Errors
/// Where the rules refuse one: none is removed then. Where it takes longer.
pub async fn remove(
    client: &Client,
    surplus: &[v1::Node],
    limit: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let command =
        |n: &v1::Node| v1::RemoveNode { cluster: n.cluster.clone(), name: n.name.clone() };
    if !client.is_planning() && !surplus.is_empty() {
        let commands = surplus.iter().map(|n| command(n).into());
        let plan = Failure::of_plan(client.plan_of(commands).await?)?;
        for e in &plan.events {
            let restarts = if e.restarts { " (a container is replaced)" } else { "" };
            progress.line(&format!("plan: {}/{}: {}{restarts}", e.cluster, e.node, e.summary));
        }
    }
    let end = Instant::now() + limit;
    for node in surplus {
        client.submit(command(node)).await?;
        progress.line(&format!("{}: removal started", shown(node)));
        if !client.is_planning() {
            gone(client, node, end, progress).await?;
        }
    }
    Ok(())
}

async fn gone(
    client: &Client,
    node: &v1::Node,
    end: Instant,
    progress: &Progress,
) -> Result<(), Failure> {
    while client.nodes(&node.cluster).await?.iter().any(|n| n.name == node.name) {
        if Instant::now() >= end {
            let still = format!("{} is still being removed: see `oi job list`", shown(node));
            return Err(Failure::TimedOut(still));
        }
        progress.now(format!("{}: being removed", shown(node)));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
