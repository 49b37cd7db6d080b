//! Flags of `oi join-token …`.

use super::{Output, parse_duration};
use clap::{Subcommand, ValueEnum};
use std::time::Duration;

/// A part of what a machine needs to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The token.
    Token,
    /// host:port of the API.
    Endpoint,
    /// The authority's certificate, PEM.
    Ca,
    /// The command for kubeadm.
    Kubeadm,
}

#[derive(Subcommand)]
pub enum JoinToken {
    /// Make one; prints it with all else that a machine needs.
    Create {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        /// How long it can be used, for example 15m or 24h; at most 30d.
        #[arg(long, default_value = "24h", value_parser = parse_duration)]
        ttl: Duration,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
        /// Print only this of it.
        #[arg(long, value_enum)]
        print: Option<Part>,
        /// How long to wait until the cluster knows it, seconds; 0 to not wait.
        #[arg(long, default_value_t = 60)]
        timeout: u64,
        #[command(flatten)]
        output: Output,
    },
    /// One that exists, with its secret part.
    Get {
        /// Its id: what stands before the dot.
        id: String,
        /// The cluster.
        #[arg(long)]
        cluster: String,
        /// Print only this of it.
        #[arg(long, value_enum)]
        print: Option<Part>,
        #[command(flatten)]
        output: Output,
    },
    /// Those of a cluster, without their secret parts.
    List {
        /// The cluster.
        #[arg(long)]
        cluster: String,
        #[command(flatten)]
        output: Output,
    },
    /// Let nobody join with one any more; nodes that have joined stay.
    Revoke {
        /// Its id: what stands before the dot.
        id: String,
        /// The cluster.
        #[arg(long)]
        cluster: String,
    },
}
