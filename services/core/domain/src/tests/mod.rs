//! Tests that cross features.

mod plan;
mod properties;
pub(crate) mod scenario;
mod schedule;
mod steps;
