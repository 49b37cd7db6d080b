//! A cluster's own endpoint: a name or address, and a port.

pub(crate) mod commands;
pub(crate) mod events;
#[cfg(test)]
mod tests;
