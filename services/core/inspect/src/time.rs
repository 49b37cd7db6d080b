//! Times as text.

/// Unix milliseconds as RFC 3339; empty if they are out of range.
pub fn rfc3339(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map(|t| t.to_string()).unwrap_or_default()
}
