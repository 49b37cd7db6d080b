//! What each command does.

mod backup;
mod cluster;
mod hypervisor;
mod job;
mod join_token;
mod node;
mod settings;
mod watch;

use crate::client::Client;
use crate::error::Failure;
use crate::flags::{Cli, Command, Format, Level, Rejection};
use crate::{output, reconcile};
use clap::{CommandFactory, Parser};
use oi_proto::v1::{self, submit_request};
use serde_json::json;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// Does one command.
///
/// # Errors
/// Why it failed.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    let tls = tls(&cli)?;
    let client = Client::new(&cli.server, tls, cli.actor)?.expecting(cli.expect_position);
    match cli.command {
        Command::Plan { output, command } => plan(client.planning(), output, command).await,
        command => with(client, command).await,
    }
}

/// How an https:// server is spoken to.
fn tls(cli: &Cli) -> Result<Option<ClientTlsConfig>, Failure> {
    let read = |path: &Path| {
        let io = |source| Failure::Io { what: path.display().to_string(), source };
        std::fs::read(path).map_err(io)
    };
    let mut config = match &cli.tls_ca {
        Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?)),
        None => return Ok(None),
    };
    if let (Some(certificate), Some(key)) = (&cli.tls_cert, &cli.tls_key) {
        config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
    }
    Ok(Some(config))
}

/// Does another command with a client that only gathers what it would submit.
async fn plan(
    client: Client,
    format: Format,
    command: Vec<std::ffi::OsString>,
) -> Result<(), Failure> {
    let planned = Cli::try_parse_from(std::iter::once("oi".into()).chain(command))
        .unwrap_or_else(|error| error.exit());
    if matches!(planned.command, Command::Plan { .. }) {
        return Err(Failure::Input("a plan cannot be planned".to_owned()));
    }
    // Boxed, for a future cannot hold itself.
    Box::pin(with(client.clone(), planned.command)).await?;
    let plan = client.plan().await?;
    output::plan(format, &plan)?;
    if plan.refused.is_empty() {
        return Ok(());
    }
    Err(Failure::Rejected { code: plan.refused, message: plan.message })
}

async fn with(client: Client, command: Command) -> Result<(), Failure> {
    match command {
        Command::Cluster(command) => cluster::run(client, command).await,
        Command::Node(command) => node::run(client, command).await,
        Command::Backup(command) => backup::run(client, command).await,
        Command::Hypervisor(command) => hypervisor::run(client, command).await,
        Command::Job(command) => job::run(client, command).await,
        Command::JoinToken(command) => join_token::run(client, command).await,
        Command::Reconcile { file, timeout, no_wait, output } => {
            let limit = Duration::from_secs(timeout);
            let wait = !no_wait && !client.is_planning();
            let client = client.patient(limit);
            reconcile::run(&client, &file, limit, wait, output.output).await
        }
        Command::Watch(flags) => watch::run(client, flags).await,
        Command::Rejection(Rejection::List { count, output }) => {
            let rows = client.rejections(count).await?.iter().map(output::rejection).collect();
            output::rows(output.output, rows, false)
        }
        Command::Level(Level::Raise { level }) => {
            let command = v1::RaiseFeatureLevel { level: level.into() };
            client.submit(submit_request::Command::RaiseFeatureLevel(command)).await.map(drop)
        }
        Command::Status { output } => {
            let s = client.status().await?;
            let row = json!({
                "position": s.position, "stateHash": s.state_hash, "head": s.head,
                "version": s.version, "featureLevel": s.feature_level, "newestFeatureLevel": s.newest_feature_level,
            });
            output::rows(output.output, vec![row], true)
        }
        Command::Plan { .. } => Err(Failure::Input("a plan cannot be planned".to_owned())),
        Command::Audit { args } => audit(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "oi", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
    }
}

/// Becomes the program oi-audit, which auditors can have alone.
fn audit(args: &[std::ffi::OsString]) -> Result<(), Failure> {
    let beside = std::env::current_exe().ok().map(|p| p.with_file_name("oi-audit"));
    let program = beside.filter(|p| p.is_file()).unwrap_or_else(|| "oi-audit".into());
    let source = std::process::Command::new(&program).args(args).exec();
    Err(Failure::Io { what: format!("{} cannot be run", program.display()), source })
}
