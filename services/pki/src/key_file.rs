//! A key-encryption key in a file that only its owner can read.

use crate::keys::{DataKey, KeyError, KeyWrapper};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why a key file was not loaded or made.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // `path` is the key file, `source` what the system said.
pub enum KeyFileError {
    /// It cannot be opened.
    #[error("cannot open key file {path}")]
    Open { path: PathBuf, source: io::Error },
    /// A directory, a device, a pipe.
    #[error("key file {path} is not a regular file")]
    NotAFile { path: PathBuf },
    /// Others may read it.
    #[error("key file {path} has mode {mode:03o}, so others can use it: chmod 600 it")]
    Exposed { path: PathBuf, mode: u32 },
    /// It cannot be read.
    #[error("cannot read key file {path}")]
    Read { path: PathBuf, source: io::Error },
    /// Its content is not base64.
    #[error("key file {path} does not hold base64")]
    Encoding { path: PathBuf, source: base64::DecodeError },
    /// Its content has another length.
    #[error("key file {path} does not hold a key of 32 bytes")]
    Length { path: PathBuf, source: KeyError },
    /// No new key.
    #[error("cannot make a key for key file {path}")]
    Generate { path: PathBuf, source: KeyError },
    /// A new key cannot be written.
    #[error("cannot write a new key next to key file {path}")]
    Write { path: PathBuf, source: io::Error },
    /// A new key cannot be put in place.
    #[error("cannot put a new key in place as key file {path}")]
    Place { path: PathBuf, source: io::Error },
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
        let path_buf = || path.to_owned();
        let open = |source| KeyFileError::Open { path: path_buf(), source };
        let mut file = File::open(path).map_err(open)?;
        let metadata = file.metadata().map_err(open)?;
        if !metadata.is_file() {
            return Err(KeyFileError::NotAFile { path: path_buf() });
        }
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Exposed { path: path_buf(), mode });
        }
        // Room for a key in base64: growing would leave copies of it behind.
        let mut text = Zeroizing::new(String::with_capacity(64));
        file.read_to_string(&mut text)
            .map_err(|source| KeyFileError::Read { path: path_buf(), source })?;
        let bytes = STANDARD
            .decode(text.trim())
            .map(Zeroizing::new)
            .map_err(|source| KeyFileError::Encoding { path: path_buf(), source })?;
        DataKey::from_slice(&bytes)
            .map(KeyEncryptionKey)
            .map_err(|source| KeyFileError::Length { path: path_buf(), source })
    }

    /// Loads the key, or makes one where there is no file. However many do this at
    /// once, they all end up with the same key, and it survives a crash from then
    /// on. A file that is there is never replaced.
    ///
    /// # Errors
    /// As [`load`](Self::load), and where the file cannot be made.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyFileError> {
        match Self::load(path) {
            Err(KeyFileError::Open { source, .. }) if source.kind() == ErrorKind::NotFound => {
                create(path)?;
                Self::load(path)
            }
            loaded => loaded,
        }
    }
}

/// Writes a new key beside `path` and links it there, unless another is there.
fn create(path: &Path) -> Result<(), KeyFileError> {
    let generate = |source| KeyFileError::Generate { path: path.to_owned(), source };
    let key = DataKey::generate().map_err(generate)?;
    let mut unique = [0; 8];
    getrandom::fill(&mut unique).map_err(|e| generate(KeyError::Random(e)))?;
    let temporary = path.with_extension(format!("{:016x}.new", u64::from_be_bytes(unique)));
    let text = Zeroizing::new(STANDARD.encode(key.as_slice()));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
    let written = written.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    });
    // A hard link fails where another was first, and never replaces its key.
    let linked = written.as_ref().ok().map(|()| std::fs::hard_link(&temporary, path));
    let removed = std::fs::remove_file(&temporary);
    written.map_err(|source| KeyFileError::Write { path: path.to_owned(), source })?;
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match linked {
        Some(Err(e)) if e.kind() != ErrorKind::AlreadyExists => Err(e),
        _ => removed.and_then(|()| File::open(directory)?.sync_all()),
    }
    .map_err(|source| KeyFileError::Place { path: path.to_owned(), source })
}

impl KeyWrapper for KeyEncryptionKey {
    fn wrap(&self, key: &DataKey, aad: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.0.seal(aad, key.as_slice())
    }

    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<DataKey, KeyError> {
        DataKey::from_slice(&self.0.open(aad, wrapped)?)
    }
}
