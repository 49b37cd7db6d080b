//! Commands and flags.

mod backup;
mod cluster;
mod hypervisor;
mod job;
mod join_token;
mod node;
mod settings;

pub use backup::Backup;
pub use cluster::{Cluster, ClusterFlags};
pub use hypervisor::Hypervisor;
pub use job::{Job, JobState};
pub use join_token::{JoinToken, Part};
pub use node::{JoinFlags, Node, NodeFlags, Role};
pub use settings::{AuthenticationFlags, EndpointFlags};

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
    /// The authorities by which an https:// server is trusted, PEM.
    #[arg(long, global = true, env = "OI_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
    /// The client certificate that says who asks, PEM.
    #[arg(long, global = true, env = "OI_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, global = true, env = "OI_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Who asks, for the record; user@host where absent.
    #[arg(long, global = true, env = "OI_ACTOR")]
    pub actor: Option<String>,
    /// Refuse unless the log is at this position, as a plan names it.
    #[arg(long, global = true, default_value_t = 0, hide_default_value = true)]
    pub expect_position: u64,
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

/// Which events are printed.
#[derive(Args)]
pub struct Watch {
    /// Only what concerns this cluster.
    #[arg(long, default_value = "")]
    pub cluster: String,
    /// Only what concerns this hypervisor.
    #[arg(long, default_value = "")]
    pub hypervisor: String,
    /// Only events of this kind, for example NodeAdded; may be given several times.
    #[arg(long)]
    pub event: Vec<String>,
    /// From this log position on, instead of from now on.
    #[arg(long, default_value_t = 0)]
    pub from: u64,
    #[command(flatten)]
    pub output: Output,
}

/// What is asked about rejections.
#[derive(Subcommand)]
pub enum Rejection {
    /// The newest ones, the newest first.
    List {
        /// How many at most.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        count: u32,
        #[command(flatten)]
        output: Output,
    },
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
    /// Tokens with which machines join a cluster as worker nodes.
    #[command(subcommand)]
    JoinToken(JoinToken),
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
    Watch(Watch),
    /// Commands that were refused.
    #[command(subcommand)]
    Rejection(Rejection),
    /// What servers may write, while old and new ones run side by side.
    #[command(subcommand)]
    Level(Level),
    /// The log position and state hash of the server, and its level.
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

#[derive(Subcommand)]
pub enum Level {
    /// All servers are new enough: let them write what older ones cannot read. It cannot be
    /// taken back; `oi status` names the newest level that the server knows.
    Raise {
        /// The level from here on.
        level: u16,
    },
}
