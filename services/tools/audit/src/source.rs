//! Where a log is read from: a broker, or an archive.

use crate::archive::{ArchiveError, ArchiveReader};
use crate::read::AuditError;
use oi_journal::{Log, Replay, StoredCommit};
use std::path::PathBuf;

/// A log that can be read from its beginning, as often as one likes.
#[derive(Clone)]
pub enum Source {
    /// The log of a broker, up to its end at the time of asking.
    Broker(Log),
    /// An exported one.
    Archive(PathBuf),
}

impl Source {
    /// The last position.
    ///
    /// # Errors
    /// Where the broker does not answer, or the file is no archive.
    pub async fn end(&self) -> Result<u64, AuditError> {
        match self {
            Source::Broker(log) => Ok(log.last_position().await?),
            Source::Archive(path) => Ok(ArchiveReader::open(path)?.commits()),
        }
    }

    /// The commits from the first to that at `to`, as stored; gaps are stepped over.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn commits(&self, to: u64) -> Result<Commits, AuditError> {
        match self {
            Source::Broker(log) => {
                Ok(Commits::Broker(Box::new(log.replay(1, to).await?.with_gaps())))
            }
            Source::Archive(path) => {
                let reader = ArchiveReader::open(path)?;
                if to > reader.commits() {
                    return Err(AuditError::Beyond { asked: to, end: reader.commits() });
                }
                Ok(Commits::Archive { reader: Box::new(reader), to })
            }
        }
    }
}

impl From<Log> for Source {
    fn from(log: Log) -> Source {
        Source::Broker(log)
    }
}

/// Commits on their way from a source.
pub enum Commits {
    /// From a broker.
    Broker(Box<Replay>),
    /// From an archive.
    Archive {
        /// The file.
        reader: Box<ArchiveReader>,
        /// The last position wanted.
        to: u64,
    },
}

impl Commits {
    /// The next commit; none after the last. An archive that is read to its end is known
    /// to be whole.
    ///
    /// # Errors
    /// Where the source fails.
    pub async fn next(&mut self) -> Result<Option<StoredCommit>, AuditError> {
        match self {
            Commits::Broker(replay) => Ok(replay.next_stored().await?),
            Commits::Archive { reader, to } => {
                let next = reader.next_stored().map_err(AuditError::from)?;
                Ok(next.filter(|stored| stored.position <= *to))
            }
        }
    }
}

impl From<ArchiveError> for AuditError {
    fn from(error: ArchiveError) -> AuditError {
        AuditError::Archive(Box::new(error))
    }
}
