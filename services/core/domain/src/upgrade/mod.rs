//! Upgrades of Kubernetes, one component at a time.

pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod reactions;
mod state;

pub use state::*;
