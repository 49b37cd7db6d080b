//! The key-encryption key: loaded, made where that was asked for, and compared with the log's.

use crate::config::Config;
use oi_journal::Journal;
use oi_keyring::{KeyringError, Keys};
use oi_pki::{KeyEncryptionKey, KeyFileError, KeyFileProblem};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

/// How often it is looked whether a decider has recorded the log's key.
const LOOK: Duration = Duration::from_secs(2);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No file, and none is to be made.
    #[error(
        "there is no key file {0}: copy it from another server of this log; the first server makes it at its first start with --create-key-file"
    )]
    Absent(PathBuf),
    /// No file, and a new one would be of no use.
    #[error(
        "there is no key file {0}, and the log has keys already, which a new one would not open: copy it from another server, or from where it was kept"
    )]
    InUse(PathBuf),
    /// The file's directory.
    #[error("cannot make {path}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file.
    #[error(transparent)]
    File(KeyFileError),
    /// It is not the log's, or that cannot be told.
    #[error(transparent)]
    Wrapper(#[from] KeyringError),
}

/// Loads the key.
///
/// # Errors
/// Where there is none, or it is of no use.
pub fn load(config: &Config) -> Result<KeyEncryptionKey, KeyError> {
    KeyEncryptionKey::load(&config.key_file).map_err(|error| match error.problem {
        KeyFileProblem::Open(e) if e.kind() == ErrorKind::NotFound => KeyError::Absent(error.path),
        problem => KeyError::File(KeyFileError { problem, ..error }),
    })
}

/// Loads the key, or makes it where that was asked for and nothing is wrapped yet.
///
/// # Errors
/// As [`load`], and where it cannot be made.
pub async fn load_or_create(
    config: &Config,
    journal: &Journal,
) -> Result<KeyEncryptionKey, KeyError> {
    match load(config) {
        Err(KeyError::Absent(path)) if config.create_key_file => {
            if Keys::are_in(&journal.key_store()).await? {
                // Another process on this machine may have made it meanwhile.
                return load(config).map_err(|error| match error {
                    KeyError::Absent(path) => KeyError::InUse(path),
                    other => other,
                });
            }
            if let Some(dir) = path.parent() {
                std::fs::create_dir_all(dir)
                    .map_err(|source| KeyError::Directory { path: dir.to_owned(), source })?;
            }
            tracing::info!(path = %path.display(), "making the key-encryption key: keep a copy of it elsewhere");
            KeyEncryptionKey::load_or_create(&path).map_err(KeyError::File)
        }
        loaded => loaded,
    }
}

/// Waits until a decider has recorded the log's key, and compares: without end if it is the same.
///
/// # Errors
/// Where it is another one.
pub async fn compare(keys: Keys) -> Result<(), KeyError> {
    loop {
        match keys.check(false).await {
            Ok(true) => std::future::pending().await,
            Ok(false) => {}
            Err(error @ KeyringError::Store(_)) => {
                tracing::debug!(
                    error = crate::check::chain(&error),
                    "the log's key is not known yet"
                );
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(LOOK).await;
    }
}
