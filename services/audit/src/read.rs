//! Reading a whole log.

use crate::check::Checker;
use oi_domain::{State, apply};
use oi_journal::{ConnectError, Journal, ReadError};

/// Why the log could not be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// No broker.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The log cannot be read on.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A position that is not there yet.
    #[error("position {asked} is not there: the log ends at {end}")]
    Beyond {
        /// What was asked for.
        asked: u64,
        /// The end of the log.
        end: u64,
    },
}

/// What [`verify`] saw.
#[derive(Debug)]
pub struct Report {
    /// The end of the log when reading began.
    pub end: u64,
    /// The checker after the last commit.
    pub checker: Checker,
}

/// Checks all commits from the first to the end as it is now. `seen` hears of each.
///
/// # Errors
/// Where the broker fails. What is wrong with the log is no error but a finding.
pub async fn verify(
    journal: &Journal,
    mut seen: impl FnMut(u64, u64),
) -> Result<Report, AuditError> {
    let end = journal.last_position().await?;
    let mut replay = journal.replay(1, end).await?.with_gaps();
    let mut checker = Checker::new();
    while let Some(stored) = replay.next_stored().await? {
        checker.take(&stored);
        seen(stored.position, end);
    }
    Ok(Report { end, checker })
}

/// The state at position `to`, or at the end as it is now, folded from the first
/// commit. Snapshots are not used. `seen` hears of each commit.
///
/// # Errors
/// Where the log cannot be read, or is not that long.
pub async fn replay(
    journal: &Journal,
    to: Option<u64>,
    mut seen: impl FnMut(u64, u64),
) -> Result<State, AuditError> {
    let end = journal.last_position().await?;
    let to = to.unwrap_or(end);
    if to > end {
        return Err(AuditError::Beyond { asked: to, end });
    }
    let mut replay = journal.replay(1, to).await?;
    let mut state = State::default();
    while let Some(recorded) = replay.next().await? {
        apply(&mut state, &recorded);
        seen(recorded.position, to);
    }
    Ok(state)
}
