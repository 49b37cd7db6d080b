//! Flags of `oi hypervisor …`.

use super::Output;
use clap::Subcommand;

#[derive(Subcommand)]
pub enum Hypervisor {
    /// All hypervisors.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// One hypervisor.
    Get {
        /// Its name.
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Place no new nodes on it.
    Cordon {
        /// Its name.
        name: String,
    },
    /// Place new nodes on it again.
    Uncordon {
        /// Its name.
        name: String,
    },
    /// Let clusters share these of its ports for their endpoints, beside those of its range, and
    /// no others.
    Share {
        /// Its name.
        name: String,
        /// A port, or several with commas.
        #[arg(long, value_delimiter = ',', required_unless_present = "none")]
        port: Vec<u16>,
        /// None beside those of its range.
        #[arg(long, conflicts_with = "port")]
        none: bool,
    },
    /// Forget what is left on one that is gone for good.
    Abandon {
        /// Its name.
        name: String,
    },
    /// Forget one that carries no nodes.
    Delete {
        /// Its name.
        name: String,
    },
}
