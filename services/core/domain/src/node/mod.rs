//! Nodes of clusters: members, API servers and ingresses, their place and certificates.

pub(crate) mod certificates;
pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod observations;
pub(crate) mod replace;
pub(crate) mod scale;
mod state;
#[cfg(test)]
mod tests;
pub(crate) mod timers;

pub use state::*;
