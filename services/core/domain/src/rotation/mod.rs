//! The replacement of a cluster's CAs.

pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod reactions;
mod state;
#[cfg(test)]
mod tests;

pub use state::*;
