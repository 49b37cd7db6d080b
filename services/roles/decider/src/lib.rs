//! Commands to decisions to events, and owed jobs to the queue.
//!
//! Several deciders can run: each append names the position that it follows, so one
//! wins and the others decide again. What waits at the same time is decided in a row and
//! stored together. A command is acknowledged only when its
//! outcome is stored; one that was decided before a crash is found by its id.

mod attempt;
mod clock;
mod decider;
mod dispatch;
mod draft;
mod enter;
mod metrics;
mod mint;
mod settings;
mod spans;

pub use attempt::DeciderError;
pub use clock::Clock;
pub use decider::{Decider, DeciderHandles};
pub use metrics::Metrics;
pub use mint::SealingMint;
pub use oi_domain::Limits;
pub use settings::DeciderSettings;
