//! A moment in a log.

use std::str::FromStr;

/// A position, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// After the commit at this position; 0 is before the first.
    Position(u64),
    /// After the last commit that was made until then, Unix milliseconds.
    Time(u64),
}

/// It is neither.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no moment: give a position (42) or a time with its zone (2026-11-21T09:00:00Z, 2026-11-21T10:00:00+01:00)"
)]
pub struct MomentError(String);

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Moment, MomentError> {
        if let Ok(position) = text.parse() {
            return Ok(Moment::Position(position));
        }
        let none = || MomentError(text.to_owned());
        let time: jiff::Timestamp = text.parse().map_err(|_| none())?;
        u64::try_from(time.as_millisecond()).map(Moment::Time).map_err(|_| none())
    }
}

impl Moment {
    /// Whether a commit was made by then.
    pub fn includes(self, position: u64, time_ms: u64) -> bool {
        match self {
            Moment::Position(last) => position <= last,
            Moment::Time(last) => time_ms <= last,
        }
    }
}
