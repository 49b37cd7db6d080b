//! Commands and flags.

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;

/// A number with a unit: 90s, 15m, 24h or 7d.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let malformed = || format!("{text:?} is no duration: write 90s, 15m, 24h or 7d");
    let (number, unit) =
        text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(malformed)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(malformed()),
    };
    let number: u64 = number.parse().map_err(|_| malformed())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(malformed)
}

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
    /// Refuse unless the log is at this position, as a plan names it.
    #[arg(long, global = true, default_value_t = 0, hide_default_value = true)]
    pub expect_seq: u64,
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
    /// Backups of clusters.
    #[command(subcommand)]
    Backup(Backup),
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
    /// Print what another command would do, for example `oi plan cluster delete test`;
    /// nothing is changed.
    Plan {
        /// How the result is printed; before the command.
        #[arg(short, long, value_enum, default_value_t = Format::Table)]
        output: Format,
        /// The command with its flags.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<std::ffi::OsString>,
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
        /// Only stop it now, and delete it after this long, for example 24h; until then
        /// `undelete` brings it back.
        #[arg(long, value_parser = parse_duration)]
        grace: Option<Duration>,
        /// Forget what is left on hypervisors that are away; without this it is cleared
        /// when they are back.
        #[arg(long, conflicts_with = "grace")]
        abandon_hypervisor: bool,
        /// Return when nothing of it is left.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// Make a cluster what it was at a backup, or make another one of it.
    Restore {
        /// The cluster that the backup is of.
        name: String,
        /// Which backup; the newest where absent.
        #[arg(long)]
        backup: Option<String>,
        /// Leave it as it is, and make a new cluster of that name.
        #[arg(long = "as")]
        new_name: Option<String>,
        /// Control-plane nodes of the new cluster.
        #[arg(long, default_value_t = 1, requires = "new_name", value_parser = clap::value_parser!(u8).range(1..=7))]
        control_plane_replicas: u8,
        /// Ingress nodes of the new cluster.
        #[arg(long, default_value_t = 1, requires = "new_name", value_parser = clap::value_parser!(u8).range(1..=7))]
        ingress_replicas: u8,
        /// Return when it runs.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 600)]
        timeout: u64,
    },
    /// Run other numbers of a cluster's components; etcd is not touched.
    #[command(group = clap::ArgGroup::new("count").required(true).multiple(true))]
    Scale {
        /// Its name.
        name: String,
        /// How many API servers.
        #[arg(long, group = "count")]
        apiserver: Option<u32>,
        /// How many controller managers; at most as many as API servers.
        #[arg(long, group = "count")]
        controller_manager: Option<u32>,
        /// How many schedulers; at most as many as API servers.
        #[arg(long, group = "count")]
        scheduler: Option<u32>,
        /// Return when it is so.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// Bring a cluster back that waits for its deletion.
    Undelete {
        /// Its name.
        name: String,
    },
    /// Bring a cluster's components to another release, one at a time.
    Upgrade {
        /// Its name.
        name: String,
        /// The release: at most one minor release up.
        #[arg(long, required_unless_present_any = ["pause", "resume", "rollback"])]
        to: Option<String>,
        /// Replace no further component for now.
        #[arg(long, conflicts_with_all = ["to", "resume", "rollback"])]
        pause: bool,
        /// Go on.
        #[arg(long, conflicts_with_all = ["to", "rollback"])]
        resume: bool,
        /// Back to the release before.
        #[arg(long, conflicts_with = "to")]
        rollback: bool,
        /// Return when all components run it.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 600)]
        timeout: u64,
    },
    /// Stop all that runs of a cluster, and keep its data.
    Hibernate {
        /// Its name.
        name: String,
        /// Return when nothing of it runs.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// Run a hibernated cluster again.
    Wake {
        /// Its name.
        name: String,
        /// Return when all of it is ready.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// The client certificates that were issued for a cluster.
    Kubeconfigs {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        #[command(flatten)]
        output: Output,
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

#[derive(Subcommand)]
pub enum Backup {
    /// Take one now; prints its id.
    Create {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        /// Return when it is in the store.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// All backups of a cluster, the oldest first.
    List {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        #[command(flatten)]
        output: Output,
    },
    /// Take one again and again.
    Schedule {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        /// How long after one the next begins, for example 6h; 0s for no more.
        #[arg(long, value_parser = parse_duration)]
        every: Duration,
        /// How many are kept, the newest ones; 0 for all.
        #[arg(long, default_value_t = 0)]
        keep: u32,
    },
    /// Remove one.
    Delete {
        /// Its id.
        id: String,
        /// The cluster.
        #[arg(long)]
        cluster: String,
    },
    /// Prove that one can be restored: make a cluster of it, wait until its API answers,
    /// and delete it again.
    Drill {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        /// Which backup; the newest where absent.
        #[arg(long)]
        backup: Option<String>,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 600)]
        timeout: u64,
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
    /// Forget what is left on one that is gone for good.
    Abandon {
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
