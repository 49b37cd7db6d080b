//! The one clock that is read: what it says is recorded, and never asked for again.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds now, by this machine's clock.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
