//! Who this process is to the broker, and how it knows that it is the broker.

use async_nats::{Auth, AuthError, ConnectOptions};
use nkeys::KeyPair;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Files that are read again at each connection, so that they can be replaced while it
/// runs. All absent: whoever reaches the broker may do everything.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The seed of an nkey, mode 0600.
    pub nkey: Option<PathBuf>,
    /// The broker's authorities, PEM; TLS is asked for then.
    pub ca: Option<PathBuf>,
    /// Where answers come, for a broker that lets each role hear only its own;
    /// `_INBOX` where absent.
    pub inbox: Option<String>,
}

/// Why credentials are of no use.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file.
    #[error("{path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others can read it.
    #[error("{path} can be read by others: chmod 600 it, and make a new key if they did")]
    Open {
        /// Which.
        path: PathBuf,
    },
    /// Not a seed.
    #[error("{path} holds no seed of an nkey: make one with `oi-server make-nkey`")]
    Seed {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: nkeys::error::Error,
    },
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> CredentialsError + use<> {
    let path = path.to_owned();
    move |source| CredentialsError::File { path, source }
}

fn pair(path: &Path) -> Result<KeyPair, CredentialsError> {
    let mode = std::fs::metadata(path).map_err(file(path))?.mode();
    if mode & 0o077 != 0 {
        return Err(CredentialsError::Open { path: path.to_owned() });
    }
    let seed = std::fs::read_to_string(path).map_err(file(path))?;
    KeyPair::from_seed(seed.trim())
        .map_err(|source| CredentialsError::Seed { path: path.to_owned(), source })
}

/// Makes a key for the broker: its seed goes to a new file with mode 0600. Returns the
/// public key, which the broker is to know.
///
/// # Errors
/// Where the file is there already, or cannot be written.
pub fn make_nkey(path: &Path) -> Result<String, CredentialsError> {
    let pair = KeyPair::new_user();
    let seed =
        pair.seed().map_err(|source| CredentialsError::Seed { path: path.to_owned(), source })?;
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut f| writeln!(f, "{seed}"))
        .map_err(file(path))?;
    Ok(pair.public_key())
}

impl Credentials {
    /// The public key, if there is one, of files that make sense.
    ///
    /// # Errors
    /// Where they do not.
    pub fn check(&self) -> Result<Option<String>, CredentialsError> {
        if let Some(ca) = &self.ca {
            std::fs::read(ca).map_err(file(ca))?;
        }
        self.nkey.as_deref().map(|path| pair(path).map(|p| p.public_key())).transpose()
    }

    pub(crate) fn options(&self) -> ConnectOptions {
        let mut options = match self.nkey.clone() {
            Some(path) => ConnectOptions::with_auth_callback(move |nonce| {
                std::future::ready(sign(&path, &nonce))
            }),
            None => ConnectOptions::new(),
        };
        if let Some(ca) = &self.ca {
            options = options.add_root_certificates(ca.clone()).require_tls(true);
        }
        match &self.inbox {
            Some(inbox) => options.custom_inbox_prefix(inbox),
            None => options,
        }
    }
}

fn sign(path: &Path, nonce: &[u8]) -> Result<Auth, AuthError> {
    let pair = pair(path).map_err(AuthError::new)?;
    let signature = pair.sign(nonce).map_err(AuthError::new)?;
    let mut auth = Auth::new();
    auth.nkey = Some(pair.public_key());
    auth.signature = Some(signature);
    Ok(auth)
}
