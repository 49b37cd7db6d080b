//! Upgrades of Kubernetes, one component at a time.

pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod reactions;
mod state;
#[cfg(test)]
mod tests;

pub use state::*;
