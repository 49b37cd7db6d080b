//! Flags of `oi backup …`.

use super::{Output, parse_duration};
use clap::Subcommand;
use std::time::Duration;

#[derive(Subcommand)]
pub enum Backup {
    /// Take one now; prints its id.
    Create {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        /// Return when it is in the store.
        #[arg(long)]
        wait: bool,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// All backups of a cluster, the oldest first.
    List {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        #[command(flatten)]
        output: Output,
    },
    /// Take one again and again.
    Schedule {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        /// How long after one the next begins, for example 6h; 0s for no more.
        #[arg(long, value_parser = parse_duration)]
        every: Duration,
        /// How many are kept, the newest ones; 0 for all.
        #[arg(long, default_value_t = 0)]
        keep: u32,
    },
    /// Remove one.
    Delete {
        /// Its id.
        id: String,
        /// The cluster.
        #[arg(long)]
        cluster: String,
    },
    /// Prove that one can be restored: make a cluster of it, wait until its API answers,
    /// and delete it again.
    Drill {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        /// Which backup; the newest where absent.
        #[arg(long)]
        backup: Option<String>,
        /// How long to wait, seconds.
        #[arg(long, default_value_t = 600)]
        timeout: u64,
    },
}
