//! One module for each group of commands.

mod archive;
mod diff;
mod erasure;
mod log;
mod redecide;
mod replay;
mod sign;
mod verify;

use crate::error::Failure;
use crate::flags::{Cli, Command, Prove};
use crate::output::Results;
use indicatif::{ProgressBar, ProgressStyle};
use oi_audit::{AuditError, Source};
use oi_journal::{Credentials, Journal, JournalConfig, Log};
use std::time::Duration;

/// What a command is given.
pub struct Context {
    pub source: Source,
    pub results: Results,
    /// Where the broker is, for another program that reads the same log.
    pub nats_url: String,
    bar: ProgressBar,
}

impl Context {
    /// Shows how far the reading is, on a terminal only.
    pub fn progress(&self) -> impl FnMut(u64, u64) + use<> {
        let bar = self.bar.clone();
        move |position, end| {
            // Each commit would cost more than its check.
            if position % 512 == 0 || position == end {
                bar.set_length(end);
                bar.set_position(position);
            }
        }
    }

    /// Takes the bar away, before results are printed.
    pub fn done(&self) {
        self.bar.finish_and_clear();
    }

    /// The broker's log.
    pub fn log(&self) -> Result<&Log, Failure> {
        match &self.source {
            Source::Broker(log) => Ok(log),
            Source::Archive(_) => Err(Failure::NeedsBroker),
        }
    }
}

/// The broker, unless an archive is read.
async fn connect(cli: &Cli) -> Result<Option<Journal>, Failure> {
    if cli.archive.is_some() {
        return Ok(None);
    }
    let config = JournalConfig {
        connect_timeout: Duration::from_secs(5),
        credentials: Credentials {
            nkey: cli.nats_nkey.clone(),
            ca: cli.nats_ca.clone(),
            inbox: cli.nats_inbox.clone(),
        },
        ..JournalConfig::new(&cli.nats_url, "oi-audit")
    };
    Ok(Some(Journal::connect(config).await.map_err(AuditError::from)?))
}

/// Connects, and passes each command the handles that it needs. False if what a command found
/// is not well.
pub async fn run(cli: Cli) -> Result<bool, Failure> {
    if let Command::Key { name, into } = &cli.command {
        sign::make_key(name, into)?;
        return Ok(true);
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} commits, {eta} left") {
        bar.set_style(style);
    }
    let journal = connect(&cli).await?;
    let broker = || journal.as_ref().ok_or(Failure::NeedsBroker);
    let source = match &cli.archive {
        Some(path) => Source::Archive(path.clone()),
        None => broker()?.log().into(),
    };
    let mut context =
        Context { source, results: Results::new(cli.output), nats_url: cli.nats_url, bar };
    let c = &mut context;
    let well = match cli.command {
        Command::Verify(flags) => verify::verify(c, flags).await,
        Command::Replay(flags) => replay::replay(c, flags).await,
        Command::Diff(flags) => diff::diff(c, flags).await,
        Command::Bisect { when } => diff::bisect(c, &when).await,
        Command::Log(flags) => log::log(c, flags).await,
        Command::Timeline { cluster } => log::timeline(c, &cluster).await,
        Command::Explain { what } => log::explain(c, &what).await,
        Command::Decisions { to } => redecide::decisions(c, to).await,
        Command::Checkpoint { key_file, into } => sign::checkpoint(c, &key_file, &into).await,
        Command::Prove(Prove::Inclusion { position, checkpoint, key }) => {
            sign::prove_inclusion(c, position, &checkpoint, &key).await
        }
        Command::Prove(Prove::Consistency { old, new, key }) => {
            sign::prove_consistency(c, &old, &new, &key).await
        }
        Command::Export { file, to, with_keys } => {
            let keys = if with_keys { Some(broker()?.wrapped_keys()) } else { None };
            archive::export(c, &file, to, keys).await
        }
        Command::Import { file } => archive::import(c, &file, broker()?.importer()).await,
        Command::VerifyErasure { cluster } => {
            let keys = journal.as_ref().map(Journal::wrapped_keys);
            erasure::verify_erasure(c, cluster.as_deref(), keys).await
        }
        // Made above, without a source.
        Command::Key { .. } => Ok(true),
    };
    context.done();
    let well = well?;
    context.results.finish()?;
    Ok(well)
}
