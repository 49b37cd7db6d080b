//! The tunnel between worker nodes behind NAT and their control plane.

pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod reactions;
mod state;
#[cfg(test)]
mod tests;

pub use state::*;
