//! `oi-server`: any set of the roles gateway, decider and worker in one process.

mod check;
mod config;
mod key;
mod log;
mod metrics;
mod run;
mod settings;

use config::{Action, Config};
use std::error::Error;
use std::process::ExitCode;

/// Most of what a decider does is making and dropping small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What this build calls itself: its package's version, unless OI_VERSION says another
/// when it is built.
const VERSION: &str = match option_env!("OI_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// Bytes: a job nests its steps deeply, and without optimization each takes much of a stack.
const STACK: usize = 8 * 1024 * 1024;

fn serve(config: Config) -> Result<ExitCode, Box<dyn Error>> {
    // Few threads: the work is waiting, and memory counts. One that computes for a while leaves
    // others to deciders and jobs.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .thread_stack_size(STACK)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let exporter = log::start(&config, VERSION)?;
        check::refuse(&config)?;
        let ended = run::run(config).await;
        if let Some(exporter) = exporter {
            // It waits for the collector, on its own thread.
            let ended = tokio::task::spawn_blocking(move || exporter.shutdown()).await;
            if let Err(error) = ended {
                tracing::warn!(%error, "the last spans may not be sent");
            }
        }
        Ok(ended.map(|()| ExitCode::SUCCESS)?)
    })
}

fn act() -> Result<ExitCode, Box<dyn Error>> {
    let (cli, settings) = settings::load(std::env::args_os().collect())?;
    match cli.action {
        None => serve(cli.config),
        Some(Action::CheckConfig { output, config }) => {
            Ok(check::check(&config, &settings, output)?)
        }
        Some(Action::MakeNkey { file }) => {
            println!("{}", oi_journal::make_nkey(&file)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What a server exits with whose broker has another log: no restart helps.
const ANOTHER_LOG: u8 = 3;

fn main() -> ExitCode {
    act().unwrap_or_else(|error| {
        eprintln!("error: {}", check::chain(&*error));
        match error.downcast_ref::<run::RunError>() {
            Some(error) if error.is_another_log() => ExitCode::from(ANOTHER_LOG),
            _ => ExitCode::FAILURE,
        }
    })
}
