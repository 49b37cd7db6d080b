//! Flags of `oi job …`.

use super::Output;
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Job {
    /// All jobs that are owed.
    List {
        /// Only those for this cluster.
        #[arg(long, default_value = "")]
        cluster: String,
        #[command(flatten)]
        output: Output,
    },
    /// Do not wait for the pause after a failure.
    Retry {
        /// Its id.
        id: String,
    },
}
