//! Commands and flags.

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// Kubernetes masters as a service on an event log.
///
/// Exit codes: 0 done, 1 failed, 2 wrong input, 3 refused by the rules, 4 not there,
/// 5 no server, 6 took too long.
#[derive(Parser)]
#[command(name = "oi", version)]
pub struct Cli {
    /// Where oi-server's API is.
    #[arg(long, global = true, env = "OI_SERVER", default_value = "http://127.0.0.1:7440")]
    pub server: String,
    /// Who asks, for the record; user@host where absent.
    #[arg(long, global = true, env = "OI_ACTOR")]
    pub actor: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For both.
    Yaml,
}

#[derive(Args, Clone, Copy)]
pub struct Output {
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    pub output: Format,
}

#[derive(Subcommand)]
pub enum Command {
    /// Clusters.
    #[command(subcommand)]
    Cluster(Cluster),
    /// Nodes of clusters.
    #[command(subcommand)]
    Node(Node),
    /// Machines with a CRI socket.
    #[command(subcommand)]
    Hypervisor(Hypervisor),
    /// Work that is owed.
    #[command(subcommand)]
    Job(Job),
    /// Make what documents declare: register hypervisors, create clusters, add nodes,
    /// and wait until each API answers through its ingress. Doing it again changes
    /// nothing.
    Reconcile {
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
    },
    /// Print each event as it happens.
    Watch {
        /// Only what concerns this cluster.
        #[arg(long, default_value = "")]
        cluster: String,
        /// From this log position on, instead of from now on.
        #[arg(long, default_value_t = 0)]
        from: u64,
        #[command(flatten)]
        output: Output,
    },
    /// The log position and state hash of the server.
    Status {
        #[command(flatten)]
        output: Output,
    },
    /// Verify, replay and read the log (the program oi-audit).
    #[command(disable_help_flag = true)]
    Audit {
        /// Passed on.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

#[derive(Args)]
pub struct ClusterFlags {
    /// Its name.
    #[arg(long)]
    pub name: String,
    /// The Kubernetes release of its components.
    #[arg(long, default_value = "v1.36.3")]
    pub kubernetes_version: String,
    /// Addresses of pods.
    #[arg(long, default_value = "10.244.0.0/16")]
    pub pod_cidr: String,
    /// Addresses of Services.
    #[arg(long, default_value = "10.96.0.0/12")]
    pub service_cidr: String,
    /// The cluster's DNS domain.
    #[arg(long, default_value = "cluster.local")]
    pub dns_domain: String,
    /// More names or addresses for the API server's certificate.
    #[arg(long, value_delimiter = ',')]
    pub apiserver_extra_sans: Vec<String>,
    /// Add so many control-plane nodes, cp-1 and on.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=7))]
    pub control_plane_replicas: u8,
    /// Add so many ingress nodes, lb-1 and on.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=7))]
    pub ingress_replicas: u8,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Role {
    /// etcd, API server, controller manager and scheduler.
    #[value(name = "controlplane")]
    ControlPlane,
    /// haproxy in front of the API servers.
    #[value(name = "controlplane-ingress")]
    ControlPlaneIngress,
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
pub enum Cluster {
    /// Add a cluster to the documents on stdin; print all of them.
    Inject(ClusterFlags),
    /// Create a cluster; refused where the name is taken.
    Create(ClusterFlags),
    /// All clusters.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// One cluster.
    Get {
        /// Its name.
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Remove a cluster with all its nodes and data.
    Delete {
        /// Its name.
        name: String,
        /// Return when nothing of it is left.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// Issue a client certificate, and print a kubeconfig with it.
    Kubeconfig {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        /// The host in the API's address.
        #[arg(long, default_value = "")]
        endpoint_host_override: String,
        /// User name.
        #[arg(long, default_value = "kubernetes-admin")]
        user: String,
        /// Group.
        #[arg(long, default_value = "system:masters")]
        group: String,
        /// How long it is valid, hours.
        #[arg(long, default_value_t = 8760)]
        hours: u64,
    },
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
    /// Remove a node.
    Delete {
        /// Its name.
        name: String,
        /// Its cluster.
        #[arg(long)]
        cluster: String,
    },
}

#[derive(Subcommand)]
pub enum Hypervisor {
    /// All hypervisors.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// One hypervisor.
    Get {
        /// Its name.
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Place no new nodes on it.
    Cordon {
        /// Its name.
        name: String,
    },
    /// Place new nodes on it again.
    Uncordon {
        /// Its name.
        name: String,
    },
    /// Forget one that carries no nodes.
    Delete {
        /// Its name.
        name: String,
    },
}

#[derive(Subcommand)]
pub enum Job {
    /// All jobs that are owed.
    List {
        /// Only those for this cluster.
        #[arg(long, default_value = "")]
        cluster: String,
        #[command(flatten)]
        output: Output,
    },
    /// Do not wait for the pause after a failure.
    Retry {
        /// Its id.
        id: String,
    },
}
