//! Flags of `oi job …`.

use super::Output;
use clap::{Subcommand, ValueEnum};

/// How it stands with a job that is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JobState {
    /// It waits for its turn, or is being done.
    Due,
    /// It failed, and waits until it is tried again.
    Paused,
    /// A dead letter: it waits until it is retried by hand.
    DeadLettered,
}

#[derive(Subcommand)]
pub enum Job {
    /// All jobs that are owed.
    List {
        /// Only those for this cluster.
        #[arg(long, default_value = "")]
        cluster: String,
        /// Only those in this state.
        #[arg(long)]
        state: Option<JobState>,
        #[command(flatten)]
        output: Output,
    },
    /// A job, owed or ended: the command that made it owed, and each attempt.
    Get {
        /// Its id.
        id: String,
        #[command(flatten)]
        output: Output,
    },
    /// Do not wait for the pause after a failure; a job that was given up is tried again.
    Retry {
        /// Its id.
        id: String,
    },
    /// Leave it out, where nothing else depends on it: a backup that is not taken yet.
    Cancel {
        /// Its id.
        id: String,
    },
}
