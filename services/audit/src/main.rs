//! `oi-audit`: verify, replay and read the log. Needs the broker only: no server, no
//! keys, no hypervisor.

mod flags;
mod output;

use clap::Parser;
use flags::{Cli, Command};
use indicatif::{ProgressBar, ProgressStyle};
use oi_audit::{AuditError, entries, replay, verify};
use oi_journal::{Journal, JournalConfig};
use output::{OutputError, Results};
use serde_json::json;
use std::process::ExitCode;
use std::time::Duration;

/// Why nothing was found out.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure {
    fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Output(OutputError::Io(e)) if e.kind() == std::io::ErrorKind::BrokenPipe => 0,
            Failure::Audit(AuditError::Beyond { .. }) => 2,
            Failure::Audit(AuditError::Connect(_)) => 5,
            _ => 1,
        })
    }
}

/// Shown on a terminal only.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} commits, {eta} left") {
        bar.set_style(style);
    }
    bar
}

async fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let config = JournalConfig {
        connect_timeout: Duration::from_secs(5),
        ..JournalConfig::new(&cli.nats_url, "oi-audit")
    };
    let journal = Journal::connect(config).await.map_err(AuditError::from)?;
    let mut results = Results::new(cli.output);
    let bar = progress();
    let seen = |position, end| {
        bar.set_length(end);
        bar.set_position(position);
    };
    let mut clean = true;
    match cli.command {
        Command::Verify => {
            let report = verify(&journal, seen).await?;
            bar.finish_and_clear();
            let findings = report.checker.findings();
            clean = findings.is_empty();
            for finding in findings {
                eprintln!("{}", oi_events::chain(finding));
            }
            let found: Vec<_> = findings
                .iter()
                .map(|f| json!({"position": f.position, "problem": oi_events::chain(&f.problem)}))
                .collect();
            let verdict = if clean { "clean" } else { "not clean" };
            results.one(json!({
                "verdict": verdict, "commits": report.end, "head": report.checker.head().to_string(),
                "findings": found,
            }))?;
        }
        Command::Replay { to, state } => {
            let folded = replay(&journal, to, seen).await?;
            bar.finish_and_clear();
            if state {
                results.whole(&folded)?;
            } else {
                let nodes: usize = folded.clusters.values().map(|c| c.nodes.len()).sum();
                results.one(json!({
                    "position": folded.position, "stateHash": folded.hash().to_string(),
                    "head": folded.head.to_string(), "hypervisors": folded.hypervisors.len(),
                    "clusters": folded.clusters.len(), "nodes": nodes,
                    "owedJobs": oi_domain::owed(&folded).len(),
                }))?;
            }
        }
        Command::Log { from, to, filter } => {
            let end = journal.last_position().await.map_err(AuditError::from)?;
            let filter = filter.into();
            let mut log = journal
                .replay(from.max(1), to.unwrap_or(end).min(end))
                .await
                .map_err(AuditError::from)?;
            while let Some(recorded) = log.next().await.map_err(AuditError::from)? {
                let wanted = entries(&recorded);
                for entry in wanted.iter().filter(|e| oi_audit::Filter::wants(&filter, e)) {
                    results.line(entry)?;
                }
            }
        }
    }
    results.finish()?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run(cli)).unwrap_or_else(|failure| {
        eprintln!("error: {}", oi_events::chain(&failure));
        failure.code()
    })
}
