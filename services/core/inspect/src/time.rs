//! Times as text.

/// Unix milliseconds as RFC 3339; as they are after the year 9999, where that ends.
pub fn rfc3339(ms: u64) -> String {
    match i64::try_from(ms).map(jiff::Timestamp::from_millisecond) {
        Ok(Ok(time)) => time.to_string(),
        Ok(Err(_)) | Err(_) => format!("{ms} ms"),
    }
}
