//! Hypervisors: machines that expose a CRI socket.

pub(crate) mod check;
pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod jobs;
mod state;
#[cfg(test)]
mod tests;
pub(crate) mod update;

pub use state::*;
