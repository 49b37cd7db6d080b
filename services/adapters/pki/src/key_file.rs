//! A key-encryption key in a file that only its owner can read.

use crate::keys::{DataKey, KeyError, KeyWrapper};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What is hashed before a key, so that its id is no other digest of it.
const ID: &[u8] = b"oi: the id of a key-encryption key\0";

/// A key file was not loaded or made.
#[derive(Debug, thiserror::Error)]
#[error("cannot use key file {path}")]
pub struct KeyFileError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub problem: KeyFileProblem,
}

/// Why a key file was not loaded or made.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileProblem {
    /// It cannot be opened.
    #[error("cannot open it")]
    Open(#[source] io::Error),
    /// A directory, a device, a pipe.
    #[error("it is not a regular file")]
    NotAFile,
    /// Others may use it: its mode.
    #[error("its mode {0:03o} lets others use it: chmod 600 it")]
    Exposed(u32),
    /// It cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// Its content is not base64.
    #[error("it does not hold base64")]
    Encoding(#[source] base64::DecodeError),
    /// Its content has another length than a key.
    #[error("it does not hold a key")]
    Length(#[source] KeyError),
    /// No new key.
    #[error("cannot make a key")]
    Generate(#[source] KeyError),
    /// A new key cannot be written beside it.
    #[error("cannot write a new key beside it")]
    Write(#[source] io::Error),
    /// A new key cannot be put in its place.
    #[error("cannot put a new key in its place")]
    Place(#[source] io::Error),
}

/// A key-encryption key: 32 bytes, in base64 in a file of mode 0600.
#[derive(Clone)]
pub struct KeyEncryptionKey(DataKey);

impl fmt::Debug for KeyEncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyEncryptionKey(…)")
    }
}

impl KeyEncryptionKey {
    /// Loads the key.
    ///
    /// # Errors
    /// Where the file is absent, open to others than its owner, or holds no key.
    pub fn load(path: &Path) -> Result<Self, KeyFileError> {
        load(path).map_err(|problem| KeyFileError { path: path.to_owned(), problem })
    }

    /// Loads the key, or makes one where there is no file. However many do this at
    /// once, they all end up with the same key, and it survives a crash from then
    /// on. A file that is there is never replaced.
    ///
    /// # Errors
    /// As [`load`](Self::load), and where the file cannot be made.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        match load(path) {
            Err(KeyFileProblem::Open(e)) if e.kind() == ErrorKind::NotFound => {
                create(path).and_then(|()| load(path))
            }
            loaded => loaded,
        }
        .map_err(|problem| KeyFileError { path: path.to_owned(), problem })
    }
}

fn load(path: &Path) -> Result<KeyEncryptionKey, KeyFileProblem> {
    let mut file = File::open(path).map_err(KeyFileProblem::Open)?;
    let metadata = file.metadata().map_err(KeyFileProblem::Open)?;
    if !metadata.is_file() {
        return Err(KeyFileProblem::NotAFile);
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyFileProblem::Exposed(mode));
    }
    // Room for a key in base64: growing would leave copies of it behind.
    let mut text = Zeroizing::new(String::with_capacity(64));
    file.read_to_string(&mut text).map_err(KeyFileProblem::Read)?;
    let bytes =
        STANDARD.decode(text.trim()).map(Zeroizing::new).map_err(KeyFileProblem::Encoding)?;
    DataKey::from_slice(&bytes).map(KeyEncryptionKey).map_err(KeyFileProblem::Length)
}

/// Puts a new key at `path`, durably, unless one is there by then.
fn create(path: &Path) -> Result<(), KeyFileProblem> {
    let key = DataKey::generate().map_err(KeyFileProblem::Generate)?;
    let mut unique = [0; 8];
    getrandom::fill(&mut unique).map_err(|e| KeyFileProblem::Generate(KeyError::Random(e)))?;
    let temporary = path.with_extension(format!("{:016x}.new", u64::from_be_bytes(unique)));
    let result = write(&temporary, &key).map_err(KeyFileProblem::Write).and_then(|()| {
        // A hard link fails where another was first, and never replaces its key.
        match std::fs::hard_link(&temporary, path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(KeyFileProblem::Place(e)),
            _ => Ok(()),
        }
    });
    let removed = std::fs::remove_file(&temporary);
    result?;
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    removed.and_then(|()| File::open(parent)?.sync_all()).map_err(KeyFileProblem::Place)
}

fn write(path: &Path, key: &DataKey) -> io::Result<()> {
    let text = Zeroizing::new(STANDARD.encode(key.as_slice()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

impl KeyWrapper for KeyEncryptionKey {
    fn id(&self) -> String {
        let digest = Sha256::new().chain_update(ID).chain_update(self.0.as_slice()).finalize();
        hex::encode(&digest[..16])
    }

    fn wrap(&self, key: &DataKey, aad: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.0.seal(aad, key.as_slice())
    }

    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<DataKey, KeyError> {
        DataKey::from_slice(&self.0.open(aad, wrapped)?)
    }
}
