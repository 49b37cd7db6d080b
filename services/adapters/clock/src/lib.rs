//! The clock of this machine. Servers read the time here and nowhere else, and record what
//! they read: a replay never reads a clock.

mod pulse;

pub use pulse::Pulse;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Unix milliseconds now, 0 before the epoch.
pub fn now_ms() -> u64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => millis(since),
        Err(_before) => 0,
    }
}

/// A duration in milliseconds, as many as there can be at most.
pub fn millis(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1000);
    whole.saturating_add(duration.subsec_millis().into())
}
