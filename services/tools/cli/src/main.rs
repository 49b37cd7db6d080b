//! `oi`: commands to a platform of Kubernetes control planes, and questions to it.
//!
//! Each noun has a file, or a folder where it has many verbs: its flags, what its verbs do,
//! and how answers are shown. Results go to stdout, everything else to stderr. Exit codes:
//! see [`error::Failure::exit_code`].

mod audit;
mod backup;
mod cli;
mod client;
mod cluster;
mod declare;
mod duration;
mod error;
mod feature_level;
mod hypervisor;
mod job;
mod join_token;
mod manifest;
mod node;
mod output;
mod plan;
mod query;
mod reconcile;
mod rejection;
mod status;
mod tls;
mod wait;
mod watch;

use clap::Parser;
use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_broken_pipe() {
                eprintln!("error: {}", oi_events::chain(&failure));
            }
            failure.exit_code()
        }
    }
}
