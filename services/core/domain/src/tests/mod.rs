//! Tests that cross features.

mod clocks;
mod health;
mod plan;
mod properties;
pub(crate) mod scenario;
mod schedule;
mod steps;
