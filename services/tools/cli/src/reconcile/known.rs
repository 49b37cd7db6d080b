//! What there is, and what of it documents declare.

use crate::client::Client;
use crate::error::Failure;
use crate::node;
use crate::output::moment;
use oi_events::Code;
use oi_proto::manifest::{Document, NodeRole};
use oi_proto::v1;
use std::collections::{BTreeMap, BTreeSet};

/// A cluster and a name in it.
type InCluster = (String, String);

/// What there is, by name.
pub struct Known {
    pub hypervisors: BTreeMap<String, v1::Hypervisor>,
    pub clusters: BTreeMap<String, v1::Cluster>,
    pub nodes: BTreeMap<InCluster, v1::Node>,
    /// The nodes that documents declare.
    declared: BTreeSet<InCluster>,
}

impl Known {
    /// Asks for all that documents may be about. Hypervisors are their administrators' business:
    /// they are asked for only where a document declares one.
    ///
    /// # Errors
    /// Where the server is away.
    pub async fn load(client: &Client, documents: &[Document]) -> Result<Known, Failure> {
        let hypervisors = match documents.iter().any(|d| matches!(d, Document::Hypervisor(..))) {
            true => client.hypervisors().await?,
            false => Vec::new(),
        };
        let (clusters, nodes) = (client.clusters("").await?, client.nodes("").await?);
        Ok(Known::new(documents, hypervisors, clusters, nodes))
    }

    pub fn new(
        documents: &[Document],
        hypervisors: Vec<v1::Hypervisor>,
        clusters: Vec<v1::Cluster>,
        nodes: Vec<v1::Node>,
    ) -> Known {
        let hypervisors = hypervisors.into_iter();
        let named = hypervisors.filter_map(|h| Some((h.spec.as_ref()?.name.clone(), h)));
        let declared = documents.iter().filter_map(|document| match document {
            Document::Node(m, spec) => Some((spec.cluster.clone(), m.name.clone())),
            _ => None,
        });
        Known {
            hypervisors: named.collect(),
            clusters: clusters.into_iter().map(|c| (c.name.clone(), c)).collect(),
            nodes: nodes.into_iter().map(|n| ((n.cluster.clone(), n.name.clone()), n)).collect(),
            declared: declared.collect(),
        }
    }

    /// The node that a document asks for: of its name, or one that took the place of such a node
    /// and is declared under no name of its own. What is being removed is none.
    pub fn node(&self, cluster: &str, name: &str) -> Option<&v1::Node> {
        let stays = |n: &&v1::Node| n.phase() != v1::NodePhase::Removing;
        let own = self.nodes.get(&(cluster.to_owned(), name.to_owned())).filter(stays);
        own.or_else(|| {
            let of_cluster = self.nodes.iter().filter(|(_, n)| n.cluster == cluster && stays(n));
            let mut others = of_cluster.filter(|(key, _)| !self.declared.contains(*key));
            others.find(|(_, n)| n.predecessors.iter().any(|p| p == name)).map(|(_, n)| n)
        })
    }

    /// Nodes of declared clusters that no document asks for: neither under their own name nor
    /// under that of one whose place they took. Members come last. How many API servers without a
    /// member there are is a matter of `oi cluster scale`, unless a document declares one.
    pub fn surplus(&self, documents: &[Document]) -> Vec<v1::Node> {
        let clusters: BTreeSet<&str> = documents.iter().filter_map(cluster_name).collect();
        let is_asked_for = |n: &v1::Node| {
            let mut names = std::iter::once(&n.name).chain(&n.predecessors);
            names.any(|name| self.declared.contains(&(n.cluster.clone(), name.clone())))
        };
        let of_clusters = self.nodes.values().filter(|n| clusters.contains(n.cluster.as_str()));
        let of_clusters = of_clusters.filter(|n| {
            n.role() != v1::Role::ApiServer || declares(documents, &n.cluster, NodeRole::ApiServer)
        });
        let staying = of_clusters.filter(|n| n.phase() != v1::NodePhase::Removing);
        let mut surplus: Vec<_> = staying.filter(|n| !is_asked_for(n)).cloned().collect();
        surplus.sort_by_key(|n| n.role() == v1::Role::ControlPlane);
        surplus
    }

    /// What is not as documents say, and stays so.
    pub fn notes(&self, documents: &[Document]) -> Vec<String> {
        let mut notes = Vec::new();
        for document in documents {
            match document {
                Document::Hypervisor(m, spec) => {
                    let shared = self.hypervisors.get(&m.name).map(|h| h.shared_ports.as_slice());
                    let shared = shared.filter(|s| !s.is_empty() && spec.shared_ports.is_none());
                    notes.extend(shared.map(|shared| {
                        let ports: Vec<_> = shared.iter().map(ToString::to_string).collect();
                        format!(
                            "hypervisor {}: shares ports {}, of which its document says nothing: left as it is",
                            m.name,
                            ports.join(", ")
                        )
                    }));
                }
                Document::Cluster(m, _) => {
                    let asleep = self.clusters.get(&m.name).is_some_and(is_asleep);
                    notes.extend(asleep.then(|| {
                        let name = &m.name;
                        format!(
                            "cluster {name}: hibernated, left asleep (`oi cluster wake {name}`)"
                        )
                    }));
                }
                Document::Node(m, spec) => {
                    let (name, cluster) = (&m.name, &spec.cluster);
                    let Some(have) = self.node(cluster, name) else { continue };
                    let wanted = spec.hypervisor.as_ref().filter(|h| **h != have.hypervisor);
                    let moved = wanted.filter(|_| have.name != *name);
                    notes.extend(moved.map(|wanted| {
                        format!(
                            "node {name} of cluster {cluster}: {} on {} took its place; its document says {wanted}",
                            have.name, have.hypervisor
                        )
                    }));
                }
            }
        }
        notes
    }
}

/// Whether documents declare a node of a cluster with that role.
pub fn declares(documents: &[Document], cluster: &str, role: NodeRole) -> bool {
    let mut nodes = documents.iter().filter_map(|document| match document {
        Document::Node(_, spec) => Some(spec),
        Document::Hypervisor(..) | Document::Cluster(..) => None,
    });
    nodes.any(|spec| spec.cluster == cluster && spec.role == role)
}

fn cluster_name(document: &Document) -> Option<&str> {
    match document {
        Document::Cluster(m, _) => Some(&m.name),
        _ => None,
    }
}

/// Whether it sleeps on order: nothing of it runs, and nothing is to be waited for.
pub fn is_asleep(cluster: &v1::Cluster) -> bool {
    cluster.phase() == v1::ClusterPhase::Hibernated
}

/// Refuses a cluster that is going: no document can be fulfilled with it.
///
/// # Errors
/// Says what can be done.
pub fn check_stays(cluster: &v1::Cluster) -> Result<(), Failure> {
    let name = &cluster.name;
    let (code, message) = match cluster.phase() {
        v1::ClusterPhase::Deleting if cluster.backups_until_ms > 0 => (
            Code::BackupsKept,
            format!(
                "cluster {name} is deleted, and its name is taken until {}, when its backups go: make another cluster of them (`oi cluster restore {name} --as NAME`), give them up (`oi cluster delete {name} --keep-backups 0s`), or take its documents away",
                moment(cluster.backups_until_ms)
            ),
        ),
        v1::ClusterPhase::Deleting => (
            Code::ClusterDeleting,
            format!("cluster {name} is being deleted: wait until it is gone, then reconcile again"),
        ),
        v1::ClusterPhase::DeletionScheduled => (
            Code::DeletionScheduled,
            format!(
                "cluster {name} waits for its deletion: bring it back first (`oi cluster undelete {name}`), or take its documents away"
            ),
        ),
        _ => return Ok(()),
    };
    Err(Failure::Rejected { code, message })
}

/// A node with where it is, for people.
pub fn shown(n: &v1::Node) -> String {
    format!(
        "node {} of cluster {} ({} on {})",
        n.name,
        n.cluster,
        node::role(n.role()),
        n.hypervisor
    )
}
