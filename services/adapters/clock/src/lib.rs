//! The clock of this machine. Servers read the time here and nowhere else, and record what
//! they read: a replay never reads a clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds now, 0 before the epoch.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
