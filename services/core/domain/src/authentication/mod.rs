//! A cluster's external users: OpenID Connect providers.

pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod reactions;
mod state;
#[cfg(test)]
mod tests;
