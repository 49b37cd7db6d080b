//! The way to a cluster's API: its ingresses, their addresses, and ports that clusters share.

mod state;

pub use state::*;
