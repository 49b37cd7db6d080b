//! What all commands have in common: the flags for the server, and the list of nouns.

use crate::backup::BackupVerb;
use crate::client::Client;
use crate::cluster::ClusterVerb;
use crate::error::Failure;
use crate::feature_level::FeatureLevelVerb;
use crate::hypervisor::HypervisorVerb;
use crate::job::JobVerb;
use crate::join_token::JoinTokenVerb;
use crate::node::NodeVerb;
use crate::output;
use crate::plan::Plan;
use crate::reconcile::Reconcile;
use crate::rejection::RejectionVerb;
use crate::status::Status;
use crate::tls::Tls;
use crate::watch::Watch;
use crate::{audit, backup, cluster, feature_level, hypervisor, job, join_token, node, rejection};
use clap::{CommandFactory, Parser, Subcommand};
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
    server: String,
    /// The authorities by which an https:// server is trusted, PEM.
    #[arg(long, global = true, env = "OI_TLS_CA")]
    tls_ca: Option<PathBuf>,
    /// The client certificate that says who asks, PEM.
    #[arg(long, global = true, env = "OI_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, global = true, env = "OI_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Who asks, for the record; user@host where absent.
    #[arg(long, global = true, env = "OI_ACTOR")]
    actor: Option<String>,
    /// Refuse unless the log is at this position, as a plan names it.
    #[arg(long, global = true, default_value_t = 0, hide_default_value = true)]
    expect_position: u64,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Clusters.
    #[command(subcommand)]
    Cluster(ClusterVerb),
    /// Nodes of clusters.
    #[command(subcommand)]
    Node(NodeVerb),
    /// Backups of clusters.
    #[command(subcommand)]
    Backup(BackupVerb),
    /// Machines with a CRI socket.
    #[command(subcommand)]
    Hypervisor(HypervisorVerb),
    /// Tokens with which machines join a cluster as worker nodes.
    #[command(subcommand)]
    JoinToken(JoinTokenVerb),
    /// Work that is owed.
    #[command(subcommand)]
    Job(JobVerb),
    Reconcile(Reconcile),
    Plan(Plan),
    Watch(Watch),
    /// Commands that were refused.
    #[command(subcommand)]
    Rejection(RejectionVerb),
    /// What servers may write, while old and new ones run side by side.
    #[command(subcommand)]
    FeatureLevel(FeatureLevelVerb),
    Status(Status),
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

/// Does what the arguments say.
///
/// # Errors
/// Why it failed.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    let tls = Tls { ca: cli.tls_ca, certificate: cli.tls_cert, key: cli.tls_key };
    let client = Client::new(&cli.server, &tls, cli.actor)?.expecting(cli.expect_position);
    match cli.command {
        Command::Plan(plan) => plan.run(client).await,
        command => run_command(&client, command).await,
    }
}

/// Does one command; with a client that only gathers commands, it is planned.
///
/// # Errors
/// Why it failed.
pub async fn run_command(client: &Client, command: Command) -> Result<(), Failure> {
    match command {
        Command::Cluster(verb) => cluster::run(client, verb).await,
        Command::Node(verb) => node::run(client, verb).await,
        Command::Backup(verb) => backup::run(client, verb).await,
        Command::Hypervisor(verb) => hypervisor::run(client, verb).await,
        Command::JoinToken(verb) => join_token::run(client, verb).await,
        Command::Job(verb) => job::run(client, verb).await,
        Command::Reconcile(reconcile) => reconcile.run(client).await,
        Command::Plan(_) => Err(Failure::Input("a plan cannot be planned".to_owned())),
        Command::Watch(watch) => watch.run(client).await,
        Command::Rejection(verb) => rejection::run(client, verb).await,
        Command::FeatureLevel(verb) => feature_level::run(client, verb).await,
        Command::Status(status) => status.run(client).await,
        Command::Audit { args } => audit::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "oi", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
    }
}
