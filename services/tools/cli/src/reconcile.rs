//! `oi reconcile`: makes what documents declare, and nothing that is so already.

use crate::client::{Client, events_from};
use crate::error::Failure;
use crate::flags::Format;
use crate::settings::{Setting, settings};
use crate::{documents, output};
use indicatif::{ProgressBar, ProgressStyle};
use oi_proto::manifest::{Document, NodeRole, sorted_ports};
use oi_proto::v1::{self, submit_request::Command};
use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// How long new hypervisors may take to be looked at, before nodes are placed.
const LOOK: Duration = Duration::from_secs(10);

/// Progress: a spinner on a terminal, plain lines elsewhere.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn new() -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Progress(bar)
    }

    fn line(&self, text: &str) {
        match &self.0 {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    fn now(&self, text: String) {
        if let Some(bar) = &self.0 {
            bar.set_message(text);
        }
    }
}

/// The fields in which two messages of a kind differ, of the one and of the other.
fn difference(have: &impl std::fmt::Debug, want: &impl std::fmt::Debug) -> (String, String) {
    let (have, want) = (format!("{have:#?}"), format!("{want:#?}"));
    let fields = |a: &str, b: &str| {
        let other: BTreeSet<&str> = b.lines().collect();
        let own = a.lines().filter(|line| !other.contains(line));
        own.map(|line| line.trim().trim_end_matches(',')).collect::<Vec<_>>().join(", ")
    };
    (fields(&have, &want), fields(&want, &have))
}

/// What there is, by name.
struct Known {
    hypervisors: BTreeMap<String, v1::Hypervisor>,
    clusters: BTreeMap<String, v1::Cluster>,
    nodes: BTreeMap<(String, String), v1::Node>,
}

impl Known {
    async fn load(client: &Client) -> Result<Known, Failure> {
        let hypervisors = client.hypervisors().await?.into_iter();
        let hypervisors = hypervisors.filter_map(|h| Some((h.spec.as_ref()?.name.clone(), h)));
        let clusters = client.clusters("").await?.into_iter();
        let clusters = clusters.map(|c| (c.name.clone(), c));
        let nodes = client.nodes("").await?;
        Ok(Known {
            hypervisors: hypervisors.collect(),
            clusters: clusters.collect(),
            nodes: nodes.into_iter().map(|n| ((n.cluster.clone(), n.name.clone()), n)).collect(),
        })
    }

    /// Whether what a document declares is there, with all that can be changed of it.
    fn has(&self, document: &Document) -> Result<bool, Failure> {
        let addons = match document {
            Document::Cluster(m, s) => {
                let have = self.clusters.get(&m.name);
                have.is_some_and(|have| settings(m, s).iter().all(|s| s.is_in(have)))
            }
            Document::Hypervisor(m, s) => s.shared_ports.as_ref().is_none_or(|wanted| {
                let have = self.hypervisors.get(&m.name).map(|h| h.shared_ports.as_slice());
                have == Some(&sorted_ports(wanted))
            }),
            Document::Node(..) => true,
        };
        Ok(self.is_same(document)? && addons)
    }

    /// Whether what a document declares is there; refused where it is otherwise.
    fn is_same(&self, document: &Document) -> Result<bool, Failure> {
        let differs = |what: String, (have, want): (String, String)| {
            Err(Failure::Rejected {
                code: "differs".to_owned(),
                message: format!(
                    "{what} exists and differs: it is {have}, the document says {want}"
                ),
            })
        };
        match document {
            Document::Hypervisor(m, s) => {
                let have = self.hypervisors.get(&m.name).and_then(|h| h.spec.as_ref());
                match (have, s.register(&m.name)) {
                    (None, _) => Ok(false),
                    (Some(have), want) if *have == want => Ok(true),
                    (Some(have), want) => {
                        differs(format!("hypervisor {}", m.name), difference(have, &want))
                    }
                }
            }
            Document::Cluster(m, s) => {
                let have = self.clusters.get(&m.name).and_then(|c| c.spec.as_ref());
                match (have, v1::ClusterSpec::from(s)) {
                    (None, _) => Ok(false),
                    (Some(have), want) if *have == want => Ok(true),
                    (Some(have), want) => {
                        differs(format!("cluster {}", m.name), difference(have, &want))
                    }
                }
            }
            Document::Node(m, s) => {
                let want = s.add(&m.name);
                match self.nodes.get(&(s.cluster.clone(), m.name.clone())) {
                    None => Ok(false),
                    Some(have)
                        if have.role == want.role
                            && (want.hypervisor.is_empty()
                                || want.hypervisor == have.hypervisor) =>
                    {
                        Ok(true)
                    }
                    Some(have) => differs(
                        format!("node {} of cluster {}", m.name, s.cluster),
                        (
                            format!("{} on {}", output::role(have.role()), have.hypervisor),
                            format!("{} on {}", output::role(want.role()), want.hypervisor),
                        ),
                    ),
                }
            }
        }
    }
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

/// Makes what the documents declare.
///
/// # Errors
/// Before anything is asked for, where a document is wrong or differs from what is.
pub async fn run(
    client: &Client,
    file: &Path,
    limit: Duration,
    wait: bool,
    format: Format,
) -> Result<(), Failure> {
    let mut declared = documents::read(file)?;
    if declared.is_empty() {
        return Err(Failure::Input(
            "there are no documents: did the command before fail?".to_owned(),
        ));
    }
    documents::check(&declared)?;
    declared.sort_by_key(rank);
    let known = Known::load(client).await?;
    let mut absent = Vec::new();
    for document in &declared {
        if !known.has(document)? {
            absent.push(document);
        }
    }
    check_feature_level(client, absent.iter().copied()).await?;
    let progress = Progress::new();
    let position = client.status().await?.position;
    let nothing = absent.is_empty();
    let (hypervisors, others): (Vec<_>, Vec<_>) = absent.into_iter().partition(|d| rank(d) == 0);
    for document in &hypervisors {
        submit(client, document, &known, &progress).await?;
    }
    if !hypervisors.is_empty() && !others.is_empty() {
        wait_for_hypervisors(client, &progress).await?;
    }
    for document in others {
        submit(client, document, &known, &progress).await?;
    }
    if nothing {
        progress.line("nothing to do: all of it is there already");
    }
    let clusters: BTreeSet<String> = declared
        .iter()
        .filter_map(|d| match d {
            Document::Node(_, s) => Some(s.cluster.clone()),
            _ => None,
        })
        .collect();
    if wait {
        wait_for_clusters(client, &clusters, position, limit, &progress).await?;
    }
    let shown = client.clusters("").await?;
    let named = |c: &&v1::Cluster| clusters.contains(&c.name);
    output::rows(format, shown.iter().filter(named).map(output::cluster).collect(), false)
}

/// The level that clusters with worker nodes need, and those with settings.
const WORKERS: u32 = 3;

/// Refuses, before anything is asked for, what would be refused halfway: a log that older
/// servers may still read.
///
/// # Errors
/// Where a cluster is to be made for worker nodes, and the log's level is too low.
pub async fn check_feature_level(
    client: &Client,
    documents: impl Iterator<Item = &Document>,
) -> Result<(), Failure> {
    let mut needing = documents.filter_map(|d| match d {
        Document::Cluster(m, s) if !settings(m, s).is_empty() => Some(format!(
            "cluster {} is to be made for worker nodes, or with an endpoint or users of its own",
            m.name
        )),
        Document::Hypervisor(m, s) if s.shared_ports.is_some() => {
            Some(format!("hypervisor {} is to share ports", m.name))
        }
        _ => None,
    });
    let Some(what) = needing.next() else { return Ok(()) };
    let status = client.status().await?;
    // A log that holds nothing begins at the newest level.
    if status.position == 0 || status.feature_level >= WORKERS {
        return Ok(());
    }
    Err(Failure::Rejected {
        code: "feature-level-too-low".to_owned(),
        message: format!(
            "{what}, which needs level {WORKERS}, and the log is at {}: when all servers are of this release, run `oi feature-level raise {WORKERS}`; or make it without (`--no-workers`, no addons in its document)",
            status.feature_level
        ),
    })
}

/// The commands that make what a document declares, and what to say once each is taken.
pub fn commands(document: &Document) -> Vec<(String, Command)> {
    match document {
        Document::Hypervisor(m, s) => {
            let registered = (
                format!("hypervisor {} registered", m.name),
                Command::RegisterHypervisor(s.register(&m.name)),
            );
            let shared = s.shared_ports.as_ref().map(|ports| {
                let command = v1::SharePorts { name: m.name.clone(), ports: sorted_ports(ports) };
                (format!("hypervisor {}: ports to share", m.name), Command::SharePorts(command))
            });
            std::iter::once(registered).chain(shared).collect()
        }
        Document::Cluster(m, s) => {
            let created = (
                format!("cluster {} created", m.name),
                Command::CreateCluster(v1::CreateCluster {
                    name: m.name.clone(),
                    spec: Some(s.into()),
                }),
            );
            let set = |s: Setting| (format!("cluster {}: {}", m.name, s.said()), s.command());
            std::iter::once(created).chain(settings(m, s).into_iter().map(set)).collect()
        }
        Document::Node(m, s) => vec![(
            format!("node {} added to cluster {}", m.name, s.cluster),
            Command::AddNode(s.add(&m.name)),
        )],
    }
}

/// Submits one document. What is there already in the same form is left out; and where
/// somebody else was faster with the same, that is well.
async fn submit(
    client: &Client,
    document: &Document,
    known: &Known,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut commands = commands(document);
    let is_there = match document {
        Document::Hypervisor(m, _) => known.hypervisors.contains_key(&m.name),
        Document::Cluster(m, _) => known.clusters.contains_key(&m.name),
        Document::Node(..) => false,
    };
    if is_there {
        // Only its settings are others.
        commands.remove(0);
    }
    for (what, command) in commands {
        match client.submit(command).await {
            Ok(_) => progress.line(&what),
            Err(Failure::Rejected { code, .. })
                if code.ends_with("-exists") && Known::load(client).await?.is_same(document)? => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

async fn wait_for_hypervisors(client: &Client, progress: &Progress) -> Result<(), Failure> {
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

async fn wait_for_clusters(
    client: &Client,
    clusters: &BTreeSet<String>,
    from: u64,
    limit: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let end = Instant::now() + limit;
    // Up to where events are printed; what the answer does not hold yet is watched for.
    let mut said = from;
    loop {
        let (ready, position) = all_ready(client, clusters, progress).await?;
        if ready {
            return Ok(());
        }
        let late = || {
            Failure::TimedOut(format!("not ready within {} s: see `oi job list`", limit.as_secs()))
        };
        let printed = said;
        let mut events = client.watch(events_from(position.min(printed) + 1, "")).await?;
        loop {
            match tokio::time::timeout_at(end, events.message()).await {
                Err(_) => return Err(late()),
                Ok(Ok(Some(e))) => {
                    said = said.max(e.position);
                    if !clusters.contains(&e.cluster) {
                        continue;
                    }
                    if e.position > printed {
                        progress.line(&output::step(&e));
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
    clusters: &BTreeSet<String>,
    progress: &Progress,
) -> Result<(bool, u64), Failure> {
    let answer = client.clusters_at("").await?;
    let (found, position) = (answer.clusters, answer.position);
    let mut ready = true;
    for name in clusters {
        let cluster = found.iter().find(|c| c.name == *name);
        let cluster =
            cluster.ok_or_else(|| Failure::NotFound(format!("cluster {name} was deleted")))?;
        progress.now(format!(
            "cluster {name}: {} of {} nodes ready",
            cluster.ready_nodes, cluster.nodes
        ));
        ready &= cluster.phase() == v1::ClusterPhase::Ready && cluster.ready_nodes == cluster.nodes;
    }
    Ok((ready, position))
}
