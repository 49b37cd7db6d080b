//! Failures in a row, of what is tried again and again.

use crate::steps::StepError;
use oi_events::{ClusterName, chain};

/// So many failures pass: an API server restarts.
const PASSING: u64 = 10;
/// What lasts is told each time after so many more.
const AGAIN: u64 = 200;

/// Failures in a row. What lasts is told, and not each time.
#[derive(Debug, Default)]
pub struct Failures(u64);

impl Failures {
    /// Something succeeded.
    pub fn end(&mut self) {
        self.0 = 0;
    }

    /// Something of a cluster failed.
    pub fn add(&mut self, cluster: &ClusterName, what: &str, error: &StepError) {
        let error = chain(error);
        if self.lasts() {
            tracing::warn!(%cluster, error, failures = self.0, "{what}");
        } else {
            tracing::debug!(%cluster, error, "{what}");
        }
    }

    /// Counts one. Whether it is told.
    fn lasts(&mut self) -> bool {
        self.0 += 1;
        self.0 % AGAIN == PASSING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_failing_is_told_and_what_passes_is_not() {
        let mut failures = Failures::default();
        let mut told = |times: u64| (0..times).filter(|_| failures.lasts()).count();
        assert_eq!(told(PASSING - 1), 0);
        assert_eq!(told(AGAIN), 1);
        failures.end();
        assert!((1..PASSING).all(|_| !failures.lasts()));
    }
}
