//! The log that is known across restarts: what a server read of it before is compared with what the
//! broker has now.

use crate::{View, ViewError};
use oi_events::{Hash, chain};
use oi_journal::{CHECKS, Log, ReadError, SnapshotStore};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a log may not be readable at the start: brokers may be electing a leader.
const LOADING: Duration = Duration::from_secs(60);
/// How soon it is looked at again.
const AGAIN: Duration = Duration::from_millis(500);
/// For how long another log must be seen before it is believed.
const DOUBT: Duration = Duration::from_secs(CHECKS as u64);

/// The file, in the state directory.
const FILE: &str = "known-log.json";

/// Why what is known of the log was not read or stored.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    /// The file cannot be read.
    #[error("cannot read what is known of the log, {0}")]
    Read(PathBuf, #[source] io::Error),
    /// The file does not say what is known.
    #[error(
        "{0} does not say what is known of the log: see docs/broker.md (\"Accept another log\") before it is removed"
    )]
    Damaged(PathBuf, #[source] serde_json::Error),
    /// What is known has no stored form.
    #[error("what is known of the log cannot be encoded")]
    Encode(#[source] serde_json::Error),
    /// The file cannot be written.
    #[error(
        "cannot write what is known of the log to {0}: make its directory (state-dir) writable"
    )]
    Write(PathBuf, #[source] io::Error),
}

impl KnownError {
    fn is_full(&self) -> bool {
        let KnownError::Write(_, error) = self else { return false };
        matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    }
}

/// What is known of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownLog {
    /// When the broker made it.
    pub created: String,
    /// The last position that was read.
    pub position: u64,
    /// The hash of the commit there.
    pub head: Hash,
}

impl KnownLog {
    /// What a view read of a log that was made at a time.
    pub fn of(view: &View, created: String) -> KnownLog {
        view.read(|s| KnownLog { created, position: s.position, head: s.head })
    }

    /// What is known by a state directory; none if it is new.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn load(directory: &Path) -> Result<Option<KnownLog>, KnownError> {
        let file = directory.join(FILE);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(KnownError::Read(file, error)),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| KnownError::Damaged(file, e))
    }

    /// Stores it in a state directory, whole or not at all. What other servers of this machine
    /// store there is replaced: they read the same log.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn store(&self, directory: &Path) -> Result<(), KnownError> {
        let bytes = serde_json::to_vec(self).map_err(KnownError::Encode)?;
        let file = directory.join(FILE);
        let new = directory.join(format!("{FILE}.{}", std::process::id()));
        let written = || {
            let mut to = File::create(&new)?;
            to.write_all(&bytes)?;
            to.sync_all()?;
            fs::rename(&new, &file)?;
            File::open(directory)?.sync_all()
        };
        written().map_err(|e| KnownError::Write(file.clone(), e))
    }

    /// The same, but a full disk is only told: it stops no server, and what is known already still
    /// tells most other logs.
    ///
    /// # Errors
    /// Where the directory cannot be written for another reason.
    pub fn store_where_room(&self, directory: &Path) -> Result<(), KnownError> {
        match self.store(directory) {
            Err(error) if error.is_full() => {
                tracing::warn!(error = chain(&error), "the log is not remembered");
                Ok(())
            }
            stored => stored,
        }
    }

    /// Compares it with the log that the broker has now.
    ///
    /// # Errors
    /// Where it is another one ([`ViewError::is_another_log`]), or cannot be read.
    pub async fn check(&self, log: &Log) -> Result<(), ViewError> {
        let KnownLog { created: before, position, head } = self.clone();
        let made = log.created().await?;
        if made != before {
            return Err(ReadError::Another { position, made, before }.into());
        }
        let end = log.last_position().await?;
        if position > end {
            return Err(ViewError::Shorter { end, position });
        }
        if position > 0 && log.commit_at(position).await?.is_none_or(|c| c.hash != head) {
            return Err(ViewError::Replaced { position });
        }
        Ok(())
    }
}

/// Compares the log with the one that is known, and folds it. Says when the log was made. Waits
/// for brokers that are electing a leader, and believes only what lasts: one that begins, or leads
/// since a moment, may not know all of the log yet.
///
/// # Errors
/// Where the log cannot be read, or is another one ([`ViewError::is_another_log`]).
pub async fn open(
    log: &Log,
    snapshots: &SnapshotStore,
    known: Option<&KnownLog>,
) -> Result<(View, String), ViewError> {
    let deadline = Instant::now() + LOADING;
    // Since when another log is seen.
    let mut another: Option<Instant> = None;
    loop {
        let error = match look(log, snapshots, known).await {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        let waits = if error.is_another_log() {
            another.get_or_insert_with(Instant::now).elapsed() < DOUBT
        } else {
            another = None;
            matches!(&error, ViewError::Read(e) if e.is_passing()) && Instant::now() < deadline
        };
        if !waits {
            return Err(error);
        }
        tracing::warn!(error = chain(&error), "log not readable yet");
        sleep(AGAIN).await;
    }
}

async fn look(
    log: &Log,
    snapshots: &SnapshotStore,
    known: Option<&KnownLog>,
) -> Result<(View, String), ViewError> {
    if let Some(known) = known {
        known.check(log).await?;
    }
    let created = log.created().await?;
    Ok((View::load(log, snapshots).await?, created))
}
