//! `oi-local-cluster`: a lab on one machine. Each hypervisor is a real containerd in
//! a network namespace of its own; a broker, a registry and `oi-server` stand beside
//! them. What a hypervisor is made of lies behind [`netns`]; a driver for docker
//! would stand beside it.
#![allow(
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    reason = "what it stops, sweeps away and looks for may be gone already"
)]

mod cli;
mod command;
mod containerd;
mod forward;
mod join;
mod lab;
mod netns;
mod process;
mod registry;
mod sweep;
mod up;
mod worker;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("error: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                eprint!(": {cause}");
                source = cause.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}
