//! Tests that cross features.

mod lifecycle;
mod properties;
mod schedule;
