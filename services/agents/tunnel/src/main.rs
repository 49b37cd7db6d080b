//! The program in the pods of a cluster's tunnel.

use clap::Parser;
use oi_tunnel::{Link, hub, link};
use std::path::PathBuf;
use std::process::ExitCode;

/// The tunnel between worker nodes and a control plane: WireGuard in user space
#[derive(Parser)]
#[command(name = "oi-tunnel", version)]
enum Args {
    /// Serve the links of a cluster
    Hub {
        /// Its configuration, JSON; read again when it changes
        #[arg(long)]
        config: PathBuf,
        /// The addresses of pods by those of workers, JSON; the same
        #[arg(long)]
        pods: Option<PathBuf>,
    },
    /// Have an interface whose packets go to the hub
    Link {
        /// Its configuration, JSON; with another one the program ends, to be started again
        #[arg(long)]
        config: PathBuf,
        /// Where to write whether the hub was heard lately: up or down
        #[arg(long)]
        status: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let done = match Args::parse() {
        Args::Hub { config, pods } => hub(&config, pods.as_deref()),
        Args::Link { config, status } => link(&Link { config: &config, status: status.as_deref() }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut causes = Some(&error as &dyn std::error::Error);
            while let Some(cause) = causes {
                eprintln!("{cause}");
                causes = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}
