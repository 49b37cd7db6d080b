//! Flags of `oi node …`.

use super::Output;
use clap::{Args, Subcommand, ValueEnum};

#[derive(Clone, Copy, ValueEnum)]
pub enum Role {
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

#[derive(Args)]
pub struct NodeFlags {
    /// Its name in the cluster.
    #[arg(long)]
    pub name: String,
    /// The cluster.
    #[arg(long)]
    pub cluster: String,
    /// What it does.
    #[arg(long, value_enum)]
    pub role: Role,
    /// Where to put it, instead of leaving that to placement.
    #[arg(long)]
    pub hypervisor: Option<String>,
}

#[derive(Subcommand)]
pub enum Node {
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
    /// Remove a node.
    Delete {
        /// Its name.
        name: String,
        /// Its cluster.
        #[arg(long)]
        cluster: String,
    },
}
