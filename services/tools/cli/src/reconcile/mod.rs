//! `oi reconcile`: makes what manifests declare, and nothing that is so already.

mod diff;
mod known;
mod progress;
mod prune;
#[cfg(test)]
mod tests;
mod wait;

use crate::client::Client;
use crate::declare::{self, Step};
use crate::error::Failure;
use crate::output::Output;
use crate::{cluster, feature_level, manifest};
use clap::Args;
use known::{Known, is_asleep, shown};
use oi_events::CodeClass;
use oi_proto::manifest::{Document, NodeRole};
use oi_proto::v1;
use progress::Progress;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// Make what documents declare: register hypervisors, create clusters, add nodes,
/// and wait until each API answers through its ingress. What is declared already and can be
/// changed without touching nodes becomes what its document says; settings of which a cluster's
/// document says nothing are taken away. Doing it again changes nothing.
#[derive(Args)]
pub struct Reconcile {
    /// Where the documents are; - for stdin.
    #[arg(short, long, default_value = "-")]
    file: PathBuf,
    /// Then remove the nodes of these clusters that no document declares. The server's plan for
    /// that is printed first; `oi plan reconcile --prune` only prints it.
    #[arg(long, conflicts_with = "no_wait")]
    prune: bool,
    /// How long to wait, seconds.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// Do not wait until it is ready.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    output: Output,
}

impl Reconcile {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let limit = Duration::from_secs(self.timeout);
        let client = &client.clone().patient(limit);
        let declared = read(&self)?;
        let known = Known::load(client, &declared).await?;
        let missing = missing(&known, &declared)?;
        let surplus = known.surplus(&declared);
        if self.prune {
            prune::check(&declared, &surplus)?;
        }
        feature_level::check(client, missing.iter().flatten()).await?;
        let position = client.status().await?.position;
        let progress = Progress::new();
        let asleep = known.clusters.values().filter(|c| is_asleep(c)).map(|c| c.name.as_str());
        let asleep: BTreeSet<&str> = asleep.collect();
        let mut clusters: BTreeSet<&str> = declared.iter().filter_map(cluster_of).collect();
        let prunes = self.prune && !surplus.is_empty();
        let idle = !prunes && missing.iter().all(Vec::is_empty);
        if idle && clusters.is_disjoint(&asleep) {
            progress.line("nothing to do: all of it is there already");
        }
        tell(&known, &declared, &surplus, self.prune, &progress);
        make(client, missing, &declared, &progress).await?;
        let named = clusters.clone();
        clusters.retain(|name| !asleep.contains(name));
        if !self.no_wait && !client.is_planning() {
            let to_go = if self.prune { surplus.as_slice() } else { &[] };
            wait::for_clusters(client, &clusters, to_go, position, limit, &progress).await?;
        }
        if self.prune {
            prune::remove(client, &surplus, limit, &progress).await?;
        }
        if !client.is_planning() {
            confirm(client, &declared).await?;
        }
        let shown = client.clusters("").await?;
        let named = shown.iter().filter(|c| named.contains(c.name.as_str()));
        self.output.list(named.map(cluster::row))
    }
}

/// Says what is not as documents have it, and stays so, or will not.
fn tell(
    known: &Known,
    declared: &[Document],
    surplus: &[v1::Node],
    prune: bool,
    progress: &Progress,
) {
    for note in known.notes(declared) {
        progress.line(&note);
    }
    for node in surplus {
        let then = if prune {
            "removed once all else is there"
        } else {
            "left as it is (`--prune` removes it)"
        };
        progress.line(&format!("{} is in no document: {then}", shown(node)));
    }
    for (cluster, members) in members(declared, if prune { &[] } else { surplus }) {
        if let Some(warning) = declare::even_members(cluster, members) {
            progress.line(&warning);
        }
    }
}

/// How many control planes each cluster has in the end.
fn members<'a>(declared: &'a [Document], others: &'a [v1::Node]) -> BTreeMap<&'a str, usize> {
    let declared = declared.iter().filter_map(|document| match document {
        Document::Node(_, spec) if spec.role == NodeRole::ControlPlane => {
            Some(spec.cluster.as_str())
        }
        _ => None,
    });
    let others = others.iter().filter(|n| n.role() == v1::Role::ControlPlane);
    let mut members = BTreeMap::new();
    for cluster in declared.chain(others.map(|n| n.cluster.as_str())) {
        *members.entry(cluster).or_default() += 1;
    }
    members
}

/// Whether it is so in the end: of two who declare different things at the same time, one learns
/// that it is not.
async fn confirm(client: &Client, declared: &[Document]) -> Result<(), Failure> {
    let known = Known::load(client, declared).await?;
    let missing = missing(&known, declared)?;
    match missing.iter().flatten().next() {
        None => Ok(()),
        Some(step) => Err(Failure::Differs(format!(
            "somebody else changed it while this ran, so that again is missing: {}; look at what is there, and reconcile again",
            step.done
        ))),
    }
}

/// The documents, in the order in which they are made.
fn read(flags: &Reconcile) -> Result<Vec<Document>, Failure> {
    let mut declared = manifest::read(&flags.file)?;
    if declared.is_empty() {
        return Err(Failure::Input(
            "there are no documents: did the command before fail?".to_owned(),
        ));
    }
    manifest::check(&declared)?;
    declared.sort_by_key(rank);
    Ok(declared)
}

/// Hypervisors first, then clusters, control planes and ingresses.
fn rank(document: &Document) -> u8 {
    match document {
        Document::Hypervisor(..) => 0,
        Document::Cluster(..) => 1,
        Document::Node(_, s) if s.role == NodeRole::ControlPlane => 2,
        Document::Node(..) => 3,
    }
}

/// The cluster that a document adds a node to, which is then waited for.
fn cluster_of(document: &Document) -> Option<&str> {
    match document {
        Document::Node(_, spec) => Some(&spec.cluster),
        _ => None,
    }
}

/// What is not there yet: first the steps of hypervisors, then all others.
fn missing(known: &Known, declared: &[Document]) -> Result<[Vec<Step>; 2], Failure> {
    let mut missing = [Vec::new(), Vec::new()];
    for document in declared {
        let later = usize::from(!matches!(document, Document::Hypervisor(..)));
        missing[later].extend(known.missing(document)?);
    }
    Ok(missing)
}

/// Makes what is missing.
async fn make(
    client: &Client,
    [hypervisors, others]: [Vec<Step>; 2],
    declared: &[Document],
    progress: &Progress,
) -> Result<(), Failure> {
    let wait = !hypervisors.is_empty() && !others.is_empty();
    for step in hypervisors {
        submit(client, step, declared, progress).await?;
    }
    if wait {
        wait::for_hypervisors(client, progress).await?;
    }
    for step in others {
        submit(client, step, declared, progress).await?;
    }
    Ok(())
}

/// Submits one command. Where somebody else was faster with the same, that is well.
async fn submit(
    client: &Client,
    step: Step,
    declared: &[Document],
    progress: &Progress,
) -> Result<(), Failure> {
    match client.submit(step.command.clone()).await {
        Ok(_) => progress.line(&step.done),
        Err(Failure::Rejected { code, .. })
            if code.class() == CodeClass::Exists
                && Known::load(client, declared).await?.needed(step.clone())?.is_none() => {}
        Err(failure) => return Err(failure),
    }
    Ok(())
}
