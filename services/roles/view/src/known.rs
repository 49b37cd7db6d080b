//! The log that is known across restarts: what a server read of it before is compared with what the
//! broker has now.

use crate::{View, ViewError};
use oi_events::Hash;
use oi_journal::{Log, ReadError};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

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
