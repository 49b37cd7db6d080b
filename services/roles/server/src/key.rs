//! The key-encryption key: loaded, made where that was asked for, and compared with the log's.

use crate::config::Config;
use oi_journal::Journal;
use oi_keyring::{Clusters, Held, KeyringError, Keys};
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
    /// No file, and the id of another is recorded, though nothing is lost with it.
    #[error(
        "there is no key file {0}, and the log has recorded the id of another one, which wraps nothing yet: copy it from another server, or see docs/broker.md (\"Where the key file is lost\") to begin with a new one"
    )]
    Recorded(PathBuf),
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
    clusters: &Clusters,
) -> Result<KeyEncryptionKey, KeyError> {
    match load(config) {
        Err(KeyError::Absent(path)) if config.create_key_file => {
            let held = Keys::held(&journal.key_store(), clusters).await?;
            if held != Held::Nothing {
                // Another process on this machine may have made it meanwhile.
                return load(config).map_err(|error| match (error, held) {
                    (KeyError::Absent(path), Held::Keys) => KeyError::InUse(path),
                    (KeyError::Absent(path), _) => KeyError::Recorded(path),
                    (other, _) => other,
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
        match keys.is_recorded().await {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Cli;
    use clap::Parser;
    use oi_journal::testing::Broker;
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_that_is_lost_before_there_is_a_cluster_is_replaced_as_documented() {
        let (broker, dir) = (Broker::start(), tempfile::tempdir().unwrap());
        let journal = broker.journal().await;
        let file = dir.path().join("kek");
        let args = ["oi-server", "--create-key-file", "--key-file", file.to_str().unwrap()];
        let config = Cli::try_parse_from(args).unwrap().config;
        let none = Clusters::new();
        let made = Arc::new(load_or_create(&config, &journal, &none).await.unwrap());
        let keys = Keys::new(journal.key_store(), made);
        assert!(keys.check(&none, true).await.unwrap());

        std::fs::remove_file(&file).unwrap();
        let refused = load_or_create(&config, &journal, &none).await.err().unwrap();
        assert!(matches!(refused, KeyError::Recorded(_)), "{refused}");
        assert!(refused.to_string().contains("docs/broker.md"), "{refused}");
        assert!(!file.exists());

        // docs/broker.md, "Where the key file is lost".
        let client = async_nats::connect(broker.url()).await.unwrap();
        let stream = async_nats::jetstream::new(client).get_stream("OI_KEYS").await.unwrap();
        let record = stream.get_last_raw_message_by_subject("oi.keys.wrapper").await.unwrap();
        stream.delete_message(record.sequence).await.unwrap();
        let again = Arc::new(load_or_create(&config, &journal, &none).await.unwrap());
        let keys = Keys::new(journal.key_store(), again);
        assert!(keys.check(&none, true).await.unwrap());
    }
}
