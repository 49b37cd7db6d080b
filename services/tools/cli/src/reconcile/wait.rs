//! Until hypervisors were looked at, and clusters are ready.

use super::known::{check_stays, is_asleep};
use super::progress::Progress;
use crate::client::Client;
use crate::error::Failure;
use crate::query::events_from;
use crate::watch;
use oi_events::Code;
use oi_proto::v1;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// How long new hypervisors may take to be looked at, before nodes are placed.
const LOOK: Duration = Duration::from_secs(10);

/// Waits until it is known of each hypervisor whether it answers; warns of those that do not.
///
/// # Errors
/// Where the server is away.
pub async fn for_hypervisors(client: &Client, progress: &Progress) -> Result<(), Failure> {
    let end = Instant::now() + LOOK;
    loop {
        let all = client.hypervisors().await?;
        let unknown = all.iter().filter(|h| h.reach() == v1::Reach::Unknown).count();
        if unknown == 0 || Instant::now() >= end {
            for h in all.iter().filter(|h| h.reach() == v1::Reach::Unreachable) {
                let name = h.spec.as_ref().map(|s| s.name.as_str()).unwrap_or_default();
                progress.line(&format!("warning: hypervisor {name}: {}", h.detail));
            }
            return Ok(());
        }
        progress.now(format!("looking at {unknown} hypervisor(s)"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until all nodes of clusters are ready, but for those that are to go; prints their events
/// after a position.
///
/// # Errors
/// Where it takes longer, or a cluster is deleted or put to sleep meanwhile.
pub async fn for_clusters(
    client: &Client,
    clusters: &BTreeSet<&str>,
    to_go: &[v1::Node],
    from: u64,
    limit: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let end = Instant::now() + limit;
    // Up to where events are printed; what the answer does not hold yet is watched for.
    let mut said = from;
    loop {
        let (ready, position) = all_ready(client, clusters, to_go, progress).await?;
        if ready {
            return Ok(());
        }
        let printed = said;
        let mut events = client.watch(events_from(position.min(printed) + 1, "")).await?;
        loop {
            match tokio::time::timeout_at(end, events.message()).await {
                Err(_) => {
                    let seconds = limit.as_secs();
                    return Err(Failure::TimedOut(format!(
                        "not ready within {seconds} s: see `oi job list`"
                    )));
                }
                Ok(Ok(Some(e))) => {
                    said = said.max(e.position);
                    if !clusters.contains(e.cluster.as_str()) {
                        continue;
                    }
                    if e.position > printed {
                        progress.line(&watch::progress(&e));
                    }
                    let telling = ["JobSucceeded", "ClusterBecameReady", "ClusterDeleted"];
                    if e.position > position && telling.contains(&e.event.as_str()) {
                        break;
                    }
                }
                // The server went away: look again, from where we were.
                Ok(_) => break,
            }
        }
    }
}

/// Whether all nodes of the clusters are ready, and the log position at which that is so.
async fn all_ready(
    client: &Client,
    clusters: &BTreeSet<&str>,
    to_go: &[v1::Node],
    progress: &Progress,
) -> Result<(bool, u64), Failure> {
    let answer = client.clusters_at("").await?;
    let nodes = if to_go.is_empty() { Vec::new() } else { client.nodes("").await? };
    let mut ready = true;
    for name in clusters {
        let cluster = answer.clusters.iter().find(|c| c.name == *name);
        let cluster =
            cluster.ok_or_else(|| Failure::NotFound(format!("cluster {name} was deleted")))?;
        check_stays(cluster)?;
        if is_asleep(cluster) {
            return Err(Failure::Rejected {
                code: Code::ClusterHibernated,
                message: format!(
                    "cluster {name} was hibernated meanwhile: wake it (`oi cluster wake {name}`), then reconcile again"
                ),
            });
        }
        progress.now(format!(
            "cluster {name}: {} of {} nodes ready",
            cluster.ready_nodes, cluster.nodes
        ));
        let goes =
            |n: &v1::Node| to_go.iter().any(|t| (&t.cluster, &t.name) == (&n.cluster, &n.name));
        ready &= if to_go.iter().any(|n| n.cluster == *name) {
            // One that is broken may keep the cluster from being ready.
            let stays = nodes.iter().filter(|n| n.cluster == *name && !goes(n));
            stays.into_iter().all(|n| n.phase() == v1::NodePhase::Ready)
        } else {
            cluster.phase() == v1::ClusterPhase::Ready && cluster.ready_nodes == cluster.nodes
        };
    }
    Ok((ready, answer.position))
}
