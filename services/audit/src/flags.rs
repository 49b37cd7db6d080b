//! Commands and flags.

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Reads the event log of oi as an auditor: from the broker, without any key, and
/// without changing anything.
///
/// Exit codes: 0 all is well, 1 the log is not clean or cannot be read, 2 wrong input,
/// 5 no broker.
#[derive(Parser)]
#[command(name = "oi-audit", version)]
pub struct Cli {
    /// The broker: nats://host:port, several separated by commas.
    #[arg(long, global = true, env = "OI_NATS_URL", default_value = "nats://127.0.0.1:7442")]
    pub nats_url: String,
    /// How results are printed.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub output: Format,
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

#[derive(Subcommand)]
pub enum Command {
    /// Check that no commit is missing, changed, replaced or doubled.
    Verify,
    /// Fold the log from its first commit, and print the state's hash.
    Replay {
        /// Up to this position; to the end where absent.
        #[arg(long)]
        to: Option<u64>,
        /// Print the whole state (key material in it is sealed), as JSON or YAML.
        #[arg(long)]
        state: bool,
    },
    /// Print what happened, when, and on whose order.
    Log {
        /// From this position on.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Up to this position; to the end where absent.
        #[arg(long)]
        to: Option<u64>,
        #[command(flatten)]
        filter: FilterFlags,
    },
}

#[derive(Args)]
pub struct FilterFlags {
    /// About this cluster.
    #[arg(long)]
    cluster: Option<String>,
    /// About this node.
    #[arg(long)]
    node: Option<String>,
    /// About this hypervisor.
    #[arg(long)]
    hypervisor: Option<String>,
    /// On this one's order.
    #[arg(long)]
    actor: Option<String>,
    /// Of this kind of event or command, for example NodeAdded.
    #[arg(long)]
    kind: Option<String>,
    /// Caused by the command of this id.
    #[arg(long)]
    command: Option<String>,
}

impl From<FilterFlags> for oi_audit::Filter {
    fn from(f: FilterFlags) -> Self {
        oi_audit::Filter {
            cluster: f.cluster,
            node: f.node,
            hypervisor: f.hypervisor,
            actor: f.actor,
            kind: f.kind,
            command: f.command,
        }
    }
}
