//! Reading a whole log.

use crate::archive::ArchiveError;
use crate::check::Checker;
use crate::moment::Moment;
use crate::source::Source;
use oi_domain::{State, apply};
use oi_events::{CodecError, RecordedCommit};
use oi_journal::{ConnectError, KeyStoreError, MessageError, ReadError, StoredCommit};
use oi_proof::Checkpoint;
use std::ops::ControlFlow;

/// Why the log could not be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// No broker.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The log cannot be read on.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The archive cannot be read on.
    #[error(transparent)]
    Archive(Box<ArchiveError>),
    /// The keys cannot be read.
    #[error(transparent)]
    Keys(#[from] KeyStoreError),
    /// A commit cannot be understood.
    #[error("position {position} of the log cannot be read")]
    Message {
        /// Where.
        position: u64,
        /// What is wrong.
        #[source]
        source: MessageError,
    },
    /// What the rules decide has no stored form.
    #[error("what the rules decide at position {position} cannot be encoded")]
    Encode {
        /// Where.
        position: u64,
        /// Why.
        #[source]
        source: CodecError,
    },
    /// A commit is missing: what follows cannot be told.
    #[error("the log has a gap: after position {after} comes {found}")]
    Gap {
        /// The last position before it.
        after: u64,
        /// The first after it.
        found: u64,
    },
    /// Ids wait in a file until they are compared.
    #[error("no room for temporary files: set TMPDIR to a directory that has some")]
    Temporary(#[source] std::io::Error),
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

/// Checks all commits from the first to the end as it is now, and that the log is what
/// the checkpoints attest. `seen` hears of each position, and of the end.
///
/// # Errors
/// Where the source fails. What is wrong with the log is no error but a finding.
pub async fn verify(
    source: &Source,
    checkpoints: &[Checkpoint],
    mut seen: impl FnMut(u64, u64),
) -> Result<Report, AuditError> {
    let end = source.end().await?;
    let mut commits = source.commits(end).await?;
    let mut checker = Checker::new(checkpoints);
    while let Some(stored) = commits.next().await? {
        checker.take(&stored).map_err(AuditError::Temporary)?;
        seen(stored.position, end);
    }
    checker.finish(end).map_err(AuditError::Temporary)?;
    Ok(Report { end, checker })
}

/// Decodes a commit.
///
/// # Errors
/// [`AuditError::Message`], with its place.
pub fn decode(stored: StoredCommit) -> Result<RecordedCommit, AuditError> {
    let position = stored.position;
    stored.decode().map_err(|source| AuditError::Message { position, source })
}

/// Folds the log from its first commit. `each` hears of each commit with the state
/// before it, and of the end, and can end the folding before that commit. Snapshots are
/// not used. Returns the state after the last commit that was folded.
///
/// # Errors
/// Where the log cannot be read, or is not as long as `to` says.
pub async fn fold(
    source: &Source,
    to: Option<Moment>,
    mut each: impl FnMut(&State, &RecordedCommit, u64) -> ControlFlow<()>,
) -> Result<State, AuditError> {
    let end = source.end().await?;
    let to = to.unwrap_or(Moment::Position(end));
    let last = match to {
        Moment::Position(asked) if asked > end => return Err(AuditError::Beyond { asked, end }),
        Moment::Position(asked) => asked,
        Moment::Time(_) => end,
    };
    let mut commits = source.commits(last).await?;
    let mut state = State::default();
    while let Some(stored) = commits.next().await? {
        let position = stored.position;
        if position != state.position + 1 {
            return Err(AuditError::Gap { after: state.position, found: position });
        }
        let recorded = decode(stored)?;
        if !to.includes(position, recorded.commit.header.time_ms)
            || each(&state, &recorded, last).is_break()
        {
            break;
        }
        apply(&mut state, &recorded);
    }
    Ok(state)
}

/// The state at a moment, or at the end as it is now. `seen` hears of each position.
///
/// # Errors
/// As [`fold`].
pub async fn replay(
    source: &Source,
    to: Option<Moment>,
    mut seen: impl FnMut(u64, u64),
) -> Result<State, AuditError> {
    let each = |_: &State, recorded: &RecordedCommit, end| {
        seen(recorded.position, end);
        ControlFlow::Continue(())
    };
    fold(source, to, each).await
}
