//! Jobs whose pause after a failure is over.

use crate::job::Retry;
use crate::state::State;
use oi_events::{Command, RetryJobV1};

/// The retries that are due.
pub(crate) fn due(state: &State, now_ms: u64) -> Vec<Command> {
    let over = |retry| matches!(retry, Retry::At(at) if at <= now_ms);
    let due = state.failures.iter().filter(|(_, failure)| over(failure.retry));
    due.map(|(job, _)| RetryJobV1 { job: job.clone() }.into()).collect()
}
