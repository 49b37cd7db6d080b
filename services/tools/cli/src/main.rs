//! `oi`: commands to a platform of Kubernetes control planes, and questions to it.
//!
//! Data goes to stdout, talk to stderr. Exit codes: see [`error::Failure::code`].

mod client;
mod commands;
mod documents;
mod error;
mod flags;
mod output;
mod reconcile;
mod settings;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = flags::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_broken_pipe() {
                eprintln!("error: {}", oi_events::chain(&failure));
            }
            failure.code()
        }
    }
}
