//! The replacement of a cluster's CAs.

pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod reactions;
mod state;

pub use state::*;
