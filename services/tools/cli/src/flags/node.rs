//! Flags of `oi node …`.

use super::Output;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

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

/// What is to be joined, and how to trust it.
#[derive(Args)]
pub struct JoinFlags {
    /// The node's name in the cluster; the host name where absent.
    #[arg(long)]
    pub nodename: Option<String>,
    /// host:port of the cluster's API, as `oi join-token create` prints it.
    #[arg(long)]
    pub apiserver_endpoint: String,
    /// The certificate of the cluster's authority, PEM.
    #[arg(long)]
    pub apiserver_ca_cert_file: PathBuf,
    /// The token, or the name of a file that holds it, after an @.
    #[arg(long, env = "OI_JOIN_TOKEN", hide_env_values = true)]
    pub join_token: String,
    /// The socket of the container runtime.
    #[arg(long, default_value = "unix:///run/containerd/containerd.sock")]
    pub cri_socket: String,
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
    /// Make this machine a worker node of a cluster. Done again, only what is missing is done.
    Join {
        #[command(flatten)]
        join: JoinFlags,
        /// How long to wait until it is ready, seconds; 0 to not wait.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// Link this machine to the tunnel of a cluster, and no more: what comes before
    /// `kubeadm join --config`. Prints the configuration for that, which holds the token.
    Connect(JoinFlags),
    /// End to be a worker node: have the pods go elsewhere, end the kubelet, remove what
    /// joining wrote.
    Leave {
        /// Leave also where pods stay, or the cluster does not answer.
        #[arg(long)]
        force: bool,
        /// How long pods may take to go, seconds.
        #[arg(long, default_value_t = 120)]
        timeout: u64,
    },
    /// Run the kubelet again and again, where there is no systemd (started by `join`).
    #[command(hide = true)]
    SuperviseKubelet,
    /// The same for the link to a tunnel.
    #[command(hide = true)]
    SuperviseLink,
    /// Be the link to a tunnel (started by systemd, or by the supervisor).
    #[command(hide = true)]
    RunLink,
    /// Remove a node.
    Delete {
        /// Its name.
        name: String,
        /// Its cluster.
        #[arg(long)]
        cluster: String,
    },
}
