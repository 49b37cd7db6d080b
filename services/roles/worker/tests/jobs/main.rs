//! Jobs over the in-memory CRI, with a real broker, decider and worker.
#![allow(clippy::unwrap_used, missing_docs)]

mod administrators;
mod late;
mod left;
mod lives;
mod platform;
mod restores;
mod supervision;
