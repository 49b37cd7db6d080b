//! Clusters as a whole: creation, hibernation, deletion, kubeconfigs.

pub(crate) mod commands;
mod deleted;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod spec;
mod state;
#[cfg(test)]
mod tests;
pub(crate) mod timers;

pub use deleted::{DELETED_HORIZON, DeletedClusters};
pub use state::*;
