//! `oi reconcile`: makes what manifests declare, and nothing that is so already.

mod diff;
mod progress;
mod wait;

use crate::client::Client;
use crate::declare::{self, Step};
use crate::error::Failure;
use crate::output::Output;
use crate::{cluster, feature_level, manifest};
use clap::Args;
use diff::Known;
use oi_events::CodeClass;
use oi_proto::manifest::{Document, NodeRole};
use progress::Progress;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Make what documents declare: register hypervisors, create clusters, add nodes,
/// and wait until each API answers through its ingress. Doing it again changes
/// nothing.
#[derive(Args)]
pub struct Reconcile {
    /// Where the documents are; - for stdin.
    #[arg(short, long, default_value = "-")]
    file: PathBuf,
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
        let known = Known::load(client).await?;
        let missing = missing(&known, &declared)?;
        feature_level::check(client, missing.iter().flatten()).await?;
        let position = client.status().await?.position;
        let progress = Progress::new();
        make(client, missing, &progress).await?;
        let clusters: BTreeSet<&str> = declared.iter().filter_map(cluster_of).collect();
        if !self.no_wait && !client.is_planning() {
            wait::for_clusters(client, &clusters, position, limit, &progress).await?;
        }
        let shown = client.clusters("").await?;
        let named = shown.iter().filter(|c| clusters.contains(c.name.as_str()));
        self.output.list(named.map(cluster::row))
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
        for step in declare::steps(document) {
            if !known.has(&step.command)? {
                missing[later].push(step);
            }
        }
    }
    Ok(missing)
}

/// Makes what is missing.
async fn make(
    client: &Client,
    [hypervisors, others]: [Vec<Step>; 2],
    progress: &Progress,
) -> Result<(), Failure> {
    if hypervisors.is_empty() && others.is_empty() {
        progress.line("nothing to do: all of it is there already");
    }
    let wait = !hypervisors.is_empty() && !others.is_empty();
    for step in hypervisors {
        submit(client, step, progress).await?;
    }
    if wait {
        wait::for_hypervisors(client, progress).await?;
    }
    for step in others {
        submit(client, step, progress).await?;
    }
    Ok(())
}

/// Submits one command. Where somebody else was faster with the same, that is well.
async fn submit(client: &Client, step: Step, progress: &Progress) -> Result<(), Failure> {
    match client.submit(step.command.clone()).await {
        Ok(_) => progress.line(&step.done),
        Err(Failure::Rejected { code, .. })
            if code.class() == CodeClass::Exists
                && Known::load(client).await?.has(&step.command)? => {}
        Err(failure) => return Err(failure),
    }
    Ok(())
}
