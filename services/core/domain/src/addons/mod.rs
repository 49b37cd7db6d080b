//! Add-ons of a cluster (CNI, kube-proxy, DNS), and join tokens for worker nodes.

pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod jobs;
mod state;
#[cfg(test)]
mod tests;
pub(crate) mod timers;

pub use state::*;
