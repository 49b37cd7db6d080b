//! Commands and flags.

use clap::{Args, Parser, Subcommand, ValueEnum};
use oi_audit::Moment;
use std::path::PathBuf;

/// Reads the event log of oi as an auditor: from the broker or from an archive, without
/// any key, and without changing anything (but for `import`).
///
/// A moment is a position (42) or a time with its zone (2026-11-21T09:00:00Z).
///
/// Exit codes: 0 all is well, 1 the log is not clean or cannot be read, or something
/// differs, 2 wrong input, 5 no broker or no server.
#[derive(Parser)]
#[command(name = "oi-audit", version)]
pub struct Cli {
    /// The broker: nats://host:port, several separated by commas.
    #[arg(long, global = true, env = "OI_NATS_URL", default_value = "nats://127.0.0.1:7442")]
    pub nats_url: String,
    /// The seed of this process's nkey, where the broker asks for one.
    #[arg(long, global = true, env = "OI_NATS_NKEY", value_name = "FILE")]
    pub nats_nkey: Option<PathBuf>,
    /// The broker's authorities, PEM, where it speaks TLS.
    #[arg(long, global = true, env = "OI_NATS_CA", value_name = "FILE")]
    pub nats_ca: Option<PathBuf>,
    /// Where the broker lets this process hear answers.
    #[arg(long, global = true, env = "OI_NATS_INBOX", value_name = "PREFIX")]
    pub nats_inbox: Option<String>,
    /// Read this exported log instead of the broker's.
    #[arg(long, global = true, value_name = "FILE")]
    pub archive: Option<PathBuf>,
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
    /// Check that no commit is missing, changed, replaced or doubled, that the rules
    /// decide each command as it was decided, and that the log is what signed
    /// checkpoints attest.
    Verify(Verify),
    /// Fold the log from its first commit, and print the state at a moment.
    Replay(Replay),
    /// Print what differs between two moments, or between two clusters.
    Diff(Diff),
    /// Print what happened, when, and on whose order.
    Log(Log),
    /// Print what happened to a cluster and how long each job took.
    Timeline {
        /// The cluster; also one that is gone.
        cluster: String,
    },
    /// Walk back from a commit, a job or a node to the order that led to it.
    Explain {
        /// A position, the id of a job or of a command, CLUSTER/NODE or CLUSTER.
        what: String,
    },
    /// Find the first commit after which a condition holds.
    Bisect {
        /// An expression of CEL over `state`, for example
        /// 'state.clusters.red.phase == "Ready"' (fields as `replay --state` shows them).
        #[arg(long)]
        when: String,
    },
    /// Print what these rules decide for each recorded command, as lines of JSON.
    Decisions {
        /// Up to this moment.
        #[arg(long, value_name = "MOMENT")]
        to: Option<Moment>,
    },
    /// Make a key for signing checkpoints, and print its public part.
    Key {
        /// The log's name, for example oi.example.org/production.
        #[arg(long)]
        name: String,
        /// Where the secret part goes; it must not be there yet.
        #[arg(long, value_name = "FILE")]
        into: PathBuf,
    },
    /// Verify the log, and sign what it is now.
    Checkpoint {
        /// The secret part of the key.
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
        /// The directory of the checkpoints, away from the broker. Those that are there
        /// are compared with the log first.
        #[arg(long, value_name = "DIR")]
        into: PathBuf,
    },
    /// Print a proof that can be checked without the log, with `oi-proof`.
    #[command(subcommand)]
    Prove(Prove),
    /// Write the log to a file.
    Export {
        file: PathBuf,
        /// Up to this position; to the end where absent.
        #[arg(long)]
        to: Option<u64>,
        /// With the wrapped data keys: together with the key-encryption key the archive
        /// then opens all key material.
        #[arg(long)]
        with_keys: bool,
    },
    /// Put an exported log back onto an empty broker. Safe to repeat.
    Import { file: PathBuf },
    /// Check that nobody can read the key material of deleted clusters: list what the log
    /// still holds of each, and that the key that opens it is destroyed.
    VerifyErasure {
        /// Only this cluster.
        cluster: Option<String>,
    },
}

#[derive(Args)]
pub struct Verify {
    /// A signed checkpoint, or a directory of them.
    #[arg(long = "checkpoint", value_name = "PATH", requires = "key")]
    pub checkpoints: Vec<PathBuf>,
    /// The public key of their signer: NAME+ID+KEY.
    #[arg(long)]
    pub key: Option<String>,
    /// Print at most so many findings.
    #[arg(long, default_value_t = 100)]
    pub limit: usize,
}

#[derive(Args)]
pub struct Replay {
    /// Up to this moment; to the end where absent.
    #[arg(long, value_name = "MOMENT")]
    pub to: Option<Moment>,
    /// Only this cluster.
    #[arg(long)]
    pub cluster: Option<String>,
    /// Print the whole state, as JSON or YAML; keys are shown as digests.
    #[arg(long, conflicts_with = "documents")]
    pub state: bool,
    /// Print what is declared, as YAML documents that `oi reconcile` takes.
    #[arg(long)]
    pub documents: bool,
    /// Compare with the state of a server.
    #[arg(long, conflicts_with_all = ["to", "cluster", "state", "documents", "with"])]
    pub check: bool,
    /// The server to compare with.
    #[arg(long, env = "OI_SERVER", default_value = "http://127.0.0.1:7440")]
    pub server: String,
    /// Decide all commands again here and there, and print each decision and job that
    /// differs: another release's oi-audit, or what `decisions` printed.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["cluster", "state", "documents"])]
    pub with: Option<PathBuf>,
}

#[derive(Args)]
pub struct Diff {
    /// A moment, or a cluster (NAME or NAME@MOMENT).
    pub before: String,
    /// A moment, or a cluster (NAME or NAME@MOMENT).
    pub after: String,
    /// Of the two moments, only what is about this cluster.
    #[arg(long)]
    pub cluster: Option<String>,
}

#[derive(Args)]
pub struct Log {
    /// From this position on.
    #[arg(long, default_value_t = 1)]
    pub from: u64,
    /// Up to this position; to the end where absent.
    #[arg(long)]
    pub to: Option<u64>,
    /// Not before this time.
    #[arg(long, value_name = "TIME")]
    pub since: Option<Moment>,
    /// Not after this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// Go on with each new commit, for ever.
    #[arg(short, long, conflicts_with_all = ["to", "until", "archive"])]
    pub follow: bool,
    /// About this cluster.
    #[arg(long)]
    pub cluster: Option<String>,
    /// About this node.
    #[arg(long)]
    pub node: Option<String>,
    /// About this hypervisor.
    #[arg(long)]
    pub hypervisor: Option<String>,
    /// On this one's order.
    #[arg(long)]
    pub actor: Option<String>,
    /// Of this kind of event or command, for example NodeAdded.
    #[arg(long)]
    pub kind: Option<String>,
    /// Caused by the command of this id.
    #[arg(long)]
    pub command: Option<String>,
}

#[derive(Subcommand)]
pub enum Prove {
    /// That the commit at a position is in the log that a checkpoint attests.
    Inclusion {
        #[arg(long)]
        position: u64,
        /// The signed checkpoint.
        #[arg(long, value_name = "FILE")]
        checkpoint: PathBuf,
        /// The public key of its signer.
        #[arg(long)]
        key: String,
    },
    /// That the log of one checkpoint only grew to become that of another.
    Consistency {
        /// The older checkpoint.
        #[arg(long, value_name = "FILE")]
        old: PathBuf,
        /// The newer checkpoint.
        #[arg(long, value_name = "FILE")]
        new: PathBuf,
        /// The public key of their signer.
        #[arg(long)]
        key: String,
    },
}
