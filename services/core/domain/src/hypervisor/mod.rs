//! Hypervisors: machines that expose a CRI socket.

pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod jobs;
mod state;
#[cfg(test)]
mod tests;

pub use state::*;
