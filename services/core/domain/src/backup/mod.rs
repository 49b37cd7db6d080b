//! Backups of etcd, and restores from them.

pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod reactions;
pub(crate) mod restore;
mod state;
#[cfg(test)]
mod tests;
pub(crate) mod timers;

pub use state::*;
