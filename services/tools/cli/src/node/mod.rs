//! `oi node …`: members of clusters, and this machine as a worker node.

mod machine;

use crate::client::Client;
use crate::declare;
use crate::error::Failure;
use crate::manifest::inject;
use crate::output::{Output, word};
use clap::{Args, Subcommand, ValueEnum};
use machine::MachineVerb;
use oi_events::{ClusterName, HypervisorName, NodeName};
use oi_proto::manifest::{self, Document, Metadata, NodeSpec};
use oi_proto::v1;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Copy, ValueEnum)]
enum NodeRole {
    /// etcd, API server, controller manager and scheduler.
    #[value(name = "controlplane")]
    ControlPlane,
    /// haproxy in front of the API servers.
    #[value(name = "controlplane-ingress")]
    ControlPlaneIngress,
    /// An API server without an etcd member of its own.
    #[value(name = "apiserver")]
    ApiServer,
}

impl From<NodeRole> for manifest::NodeRole {
    fn from(role: NodeRole) -> manifest::NodeRole {
        match role {
            NodeRole::ControlPlane => manifest::NodeRole::ControlPlane,
            NodeRole::ControlPlaneIngress => manifest::NodeRole::ControlPlaneIngress,
            NodeRole::ApiServer => manifest::NodeRole::ApiServer,
        }
    }
}

#[derive(Args)]
pub struct NodeFlags {
    /// Its name in the cluster.
    #[arg(long)]
    name: String,
    /// The cluster.
    #[arg(long)]
    cluster: String,
    /// What it does.
    #[arg(long, value_enum)]
    role: NodeRole,
    /// Where to put it, instead of leaving that to placement.
    #[arg(long)]
    hypervisor: Option<String>,
}

#[derive(Subcommand)]
pub enum NodeVerb {
    /// Add a node to the documents on stdin; print all of them.
    Inject(NodeFlags),
    /// Add a node to a cluster; refused where the name is taken.
    Create(NodeFlags),
    /// All nodes.
    List {
        /// Only those of this cluster.
        #[arg(long, default_value = "")]
        cluster: String,
        #[command(flatten)]
        output: Output,
    },
    /// One node.
    Get {
        /// Its name.
        name: String,
        /// Its cluster.
        #[arg(long)]
        cluster: String,
        #[command(flatten)]
        output: Output,
    },
    /// Put a new node, elsewhere where that can be, in the place of one that then goes.
    Replace {
        /// Its name.
        name: String,
        /// Its cluster.
        #[arg(long)]
        cluster: String,
    },
    #[command(flatten)]
    Machine(MachineVerb),
    /// Remove a node.
    Delete {
        /// Its name.
        name: String,
        /// Its cluster.
        #[arg(long)]
        cluster: String,
    },
}

pub async fn run(client: &Client, verb: NodeVerb) -> Result<(), Failure> {
    match verb {
        NodeVerb::Inject(flags) => inject(vec![flags.document()?]),
        NodeVerb::Create(flags) => {
            for step in declare::steps(&flags.document()?) {
                client.submit(step.command).await?;
                eprintln!("{}", step.done);
            }
            Ok(())
        }
        NodeVerb::List { cluster, output } => {
            output.list(client.nodes(&cluster).await?.iter().map(row))
        }
        NodeVerb::Get { name, cluster, output } => {
            let nodes = client.nodes(&cluster).await?;
            let found = nodes.iter().find(|n| n.name == name && n.cluster == cluster);
            let found = found.ok_or_else(|| {
                Failure::NotFound(format!("node {name} is not known in cluster {cluster}"))
            })?;
            output.one(row(found))
        }
        NodeVerb::Replace { name, cluster } => {
            let done = format!("node {name} of cluster {cluster}: to be replaced");
            client.submit(v1::ReplaceNode { cluster, name }).await?;
            eprintln!("{done}");
            Ok(())
        }
        NodeVerb::Machine(verb) => machine::run(client, verb),
        NodeVerb::Delete { name, cluster } => {
            let done = format!("node {name} of cluster {cluster}: removal started");
            client.submit(v1::RemoveNode { cluster, name }).await?;
            eprintln!("{done}");
            Ok(())
        }
    }
}

impl NodeFlags {
    /// The node's document.
    fn document(&self) -> Result<Document, Failure> {
        self.name.parse::<NodeName>()?;
        self.cluster.parse::<ClusterName>()?;
        if let Some(hypervisor) = &self.hypervisor {
            hypervisor.parse::<HypervisorName>()?;
        }
        let spec = NodeSpec {
            cluster: self.cluster.clone(),
            role: self.role.into(),
            hypervisor: self.hypervisor.clone(),
        };
        Ok(Document::Node(Metadata { name: self.name.clone() }, spec))
    }
}

fn row(n: &v1::Node) -> Value {
    json!({
        "cluster": n.cluster, "name": n.name, "role": role(n.role()),
        "phase": word(n.phase().as_str_name(), "NODE_PHASE_"),
        "hypervisor": n.hypervisor, "generation": n.generation, "restarts": n.restarts,
        "predecessors": n.predecessors,
        "ports": n.ports.iter().collect::<BTreeMap<_, _>>(),
        "versions": n.versions.iter().collect::<BTreeMap<_, _>>(),
    })
}

/// A role in words.
pub fn role(role: v1::Role) -> &'static str {
    match role {
        v1::Role::ControlPlane => "controlplane",
        v1::Role::ControlPlaneIngress => "controlplane-ingress",
        v1::Role::ApiServer => "apiserver",
        v1::Role::Unspecified => "unknown",
    }
}
