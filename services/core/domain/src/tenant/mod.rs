//! Whose a cluster is: what tenants see and change.

pub(crate) mod commands;
pub(crate) mod events;
mod state;
#[cfg(test)]
mod tests;

pub use state::Tenants;
