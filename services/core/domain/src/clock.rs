//! The time of decisions. No single clock is believed: a decider's own clock and the broker's
//! must agree, and neither may leap.
//!
//! What a clock that was wrong for a second once recorded stands in the log for good, and what
//! falls due by it (deletions, withdrawn tokens) cannot be undone.

/// How long a leap of the broker's clock must last before it is believed, milliseconds.
pub const HOLD_MS: u64 = 60_000;
/// The broker's clock must have been read within this time, milliseconds.
const STALE_MS: u64 = 30_000;

/// Why nothing is decided now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The broker's clock was not read, or too long ago.
    #[error("the broker's clock cannot be read")]
    Unread,
    /// The two clocks differ.
    #[error(
        "this machine's clock is {} s {} the broker's: nothing is decided here until both are right (NTP)",
        .skew_ms.unsigned_abs() / 1000, if *.skew_ms < 0 { "behind" } else { "ahead of" }
    )]
    Apart {
        /// This machine's clock less the broker's, milliseconds.
        skew_ms: i64,
    },
    /// The log holds a time that is yet to come.
    #[error(
        "the last commit is dated {} s ahead of the clocks, which were wrong then or are now: nothing is decided until they have come so far (see docs/broker.md)",
        .by_ms / 1000
    )]
    LogAhead {
        /// By how much, milliseconds.
        by_ms: u64,
    },
    /// The broker's clock is not where it would be if it had gone on steadily.
    #[error(
        "the broker's clock leapt {} s {}: nothing is decided until it has kept that time for {} s",
        .leap_ms.unsigned_abs() / 1000, if *.leap_ms < 0 { "back" } else { "ahead" }, HOLD_MS / 1000
    )]
    Leapt {
        /// By how much, milliseconds.
        leap_ms: i64,
    },
}

/// A moment by two clocks: the broker's, and one that only counts (milliseconds since it began).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    broker_ms: u64,
    counted_ms: u64,
}

impl Reading {
    /// What the broker's clock shows later, if it goes on steadily.
    fn later(&self, counted_ms: u64) -> u64 {
        self.broker_ms.saturating_add(counted_ms.saturating_sub(self.counted_ms))
    }

    /// By how much a later reading is not where this one leads to.
    fn leap(&self, other: &Reading) -> i64 {
        difference(other.broker_ms, self.later(other.counted_ms))
    }
}

/// a − b.
fn difference(a: u64, b: u64) -> i64 {
    let far = 0_i64.saturating_add_unsigned(a.abs_diff(b));
    if a < b { -far } else { far }
}

/// What is known of the broker's clock.
#[derive(Debug, Clone)]
pub struct Timeline {
    limit_ms: u64,
    last: Option<Reading>,
    /// Where it seems to be since it leapt.
    leapt: Option<(Reading, u64)>,
}

impl Timeline {
    /// Nothing is known. Clocks may differ by `limit_ms`.
    pub fn new(limit_ms: u64) -> Timeline {
        Timeline { limit_ms, last: None, leapt: None }
    }

    /// Takes in what the broker's clock shows when `counted_ms` are counted.
    pub fn observe(&mut self, broker_ms: u64, counted_ms: u64) {
        let reading = Reading { broker_ms, counted_ms };
        let steady = |from: &Reading| from.leap(&reading).unsigned_abs() <= self.limit_ms;
        if self.last.as_ref().is_none_or(steady) {
            (self.last, self.leapt) = (Some(reading), None);
            return;
        }
        let since = match self.leapt {
            Some((leapt, since)) if steady(&leapt) => since,
            _ => counted_ms,
        };
        if counted_ms.saturating_sub(since) >= HOLD_MS {
            (self.last, self.leapt) = (Some(reading), None);
        } else {
            self.leapt = Some((reading, since));
        }
    }

    /// This machine's clock less the broker's, milliseconds; none where that is not known.
    pub fn skew_ms(&self, own_ms: u64, counted_ms: u64) -> Option<i64> {
        let latest = self.leapt.map(|(reading, _)| reading).or(self.last)?;
        Some(difference(own_ms, latest.later(counted_ms)))
    }

    /// The time now, Unix milliseconds: the broker's, which all deciders share. `logged_ms` is that
    /// of the last commit.
    ///
    /// # Errors
    /// Where the clocks do not agree, or are behind the log.
    pub fn time(&self, own_ms: u64, counted_ms: u64, logged_ms: u64) -> Result<u64, ClockError> {
        let last = self.last.ok_or(ClockError::Unread)?;
        if let Some((leapt, _)) = self.leapt {
            return Err(ClockError::Leapt { leap_ms: last.leap(&leapt) });
        }
        if counted_ms.saturating_sub(last.counted_ms) > STALE_MS {
            return Err(ClockError::Unread);
        }
        let time_ms = last.later(counted_ms);
        let skew_ms = difference(own_ms, time_ms);
        if skew_ms.unsigned_abs() > self.limit_ms {
            return Err(ClockError::Apart { skew_ms });
        }
        let by_ms = logged_ms.saturating_sub(time_ms);
        if by_ms > self.limit_ms {
            return Err(ClockError::LogAhead { by_ms });
        }
        Ok(time_ms)
    }
}
