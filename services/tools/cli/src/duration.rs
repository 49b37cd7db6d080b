//! Durations as flags have them.

use std::time::Duration;

/// A number with a unit: 90s, 15m, 24h or 7d.
///
/// # Errors
/// Where it is something else.
pub fn parse(text: &str) -> Result<Duration, String> {
    let malformed = || format!("{text:?} is no duration: write 90s, 15m, 24h or 7d");
    let (number, unit) =
        text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(malformed)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(malformed()),
    };
    let number: u64 = number.parse().map_err(|_| malformed())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(malformed)
}

/// As commands have it.
pub fn milliseconds(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1000);
    whole.saturating_add(duration.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_a_unit() {
        assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("7d"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "s", "90", "1w", "-1h", "1.5h", "18446744073709551615d", "é"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
