//! Jobs: how they end, fail, are retried and cancelled.

pub(crate) mod commands;
pub(crate) mod events;
mod state;
#[cfg(test)]
mod tests;
pub(crate) mod timers;

pub use state::*;
