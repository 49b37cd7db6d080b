//! Sealing: XChaCha20-Poly1305 under a data key per cluster, which a
//! key-encryption key wraps.

use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const FORMAT: u8 = 1;
const NONCE: usize = 24;

/// Why something was not sealed, opened or loaded.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system's randomness failed.
    #[error("no randomness")]
    Random(#[source] getrandom::Error),
    /// Encryption failed.
    #[error("cannot seal")]
    Seal,
    /// Another key, another purpose, or changed bytes.
    #[error("cannot open: it was sealed under another key or for another purpose, or was changed")]
    Open,
    /// Not of a known layout.
    #[error("sealed bytes have an unknown layout")]
    Format,
    /// The key file cannot be read or made.
    #[error("key file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others may read the key file.
    #[error("key file {path} has mode {mode:03o}, so others can read it: chmod 600 it")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file's content is no key.
    #[error("key file {0} does not hold 32 bytes in base64")]
    Malformed(PathBuf),
}

fn seal(key: &[u8; 32], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut nonce = [0_u8; NONCE];
    getrandom::fill(&mut nonce).map_err(KeyError::Random)?;
    let ciphertext = XChaCha20Poly1305::new(key.into())
        .encrypt(XNonce::from_slice(&nonce), Payload { msg: plaintext, aad })
        .map_err(|_| KeyError::Seal)?;
    let mut sealed = Vec::with_capacity(1 + NONCE + ciphertext.len());
    sealed.push(FORMAT);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

fn open(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (format, rest) = sealed.split_first().ok_or(KeyError::Format)?;
    if *format != FORMAT || rest.len() < NONCE {
        return Err(KeyError::Format);
    }
    let (nonce, ciphertext) = rest.split_at(NONCE);
    XChaCha20Poly1305::new(key.into())
        .decrypt(XNonce::from_slice(nonce), Payload { msg: ciphertext, aad })
        .map(Zeroizing::new)
        .map_err(|_| KeyError::Open)
}

/// The key under which a cluster's private material is sealed.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(…)")
    }
}

impl DataKey {
    /// A new random key.
    ///
    /// # Errors
    /// Where the system's randomness fails.
    pub fn generate() -> Result<DataKey, KeyError> {
        let mut key = Zeroizing::new([0_u8; 32]);
        getrandom::fill(key.as_mut()).map_err(KeyError::Random)?;
        Ok(DataKey(key))
    }

    /// Seals for one purpose, `aad`.
    ///
    /// # Errors
    /// Where the system's randomness fails.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        seal(&self.0, aad, plaintext)
    }

    /// Opens what was sealed by this key for the same purpose.
    ///
    /// # Errors
    /// [`KeyError::Open`] for anything else.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        open(&self.0, aad, sealed)
    }
}

/// The port for whatever wraps data keys: a key file here, a KMS elsewhere.
pub trait KeyWrapper: Send + Sync {
    /// Wraps a data key for one purpose.
    ///
    /// # Errors
    /// Where the wrapper cannot be used.
    fn wrap(&self, aad: &[u8], key: &DataKey) -> Result<Vec<u8>, KeyError>;
    /// Unwraps it again.
    ///
    /// # Errors
    /// Where it was wrapped by another key or for another purpose.
    fn unwrap(&self, aad: &[u8], wrapped: &[u8]) -> Result<DataKey, KeyError>;
}

/// A key-encryption key in a file of mode 0600.
pub struct KeyEncryptionKey(Zeroizing<[u8; 32]>);

impl KeyEncryptionKey {
    /// Loads the key.
    ///
    /// # Errors
    /// Where the file is absent, exposed to others, or holds no key.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: path.to_owned(), source };
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text).map_err(failed)?;
        let malformed = || KeyError::Malformed(path.to_owned());
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| malformed())?);
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| malformed())?;
        Ok(KeyEncryptionKey(Zeroizing::new(key)))
    }

    /// Loads the key, or makes one. However many do this at once, they all end up
    /// with the same key.
    ///
    /// # Errors
    /// As [`load`](Self::load), and where the file cannot be made.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        if path.exists() {
            return Self::load(path);
        }
        let failed = |source| KeyError::File { path: path.to_owned(), source };
        let mut unique = [0_u8; 8];
        getrandom::fill(&mut unique).map_err(KeyError::Random)?;
        let temporary = path.with_extension(format!("{:016x}", u64::from_le_bytes(unique)));
        let key = DataKey::generate()?;
        let text = Zeroizing::new(STANDARD.encode(key.0.as_slice()));
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut f| {
                f.write_all(text.as_bytes())?;
                f.sync_all()
            })
            .map_err(failed)?;
        // A hard link fails where another was first, and never replaces its key.
        let linked = std::fs::hard_link(&temporary, path);
        std::fs::remove_file(&temporary).map_err(failed)?;
        match linked {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(failed(e)),
            _ => Self::load(path),
        }
    }
}

impl KeyWrapper for KeyEncryptionKey {
    fn wrap(&self, aad: &[u8], key: &DataKey) -> Result<Vec<u8>, KeyError> {
        seal(&self.0, aad, key.0.as_slice())
    }

    fn unwrap(&self, aad: &[u8], wrapped: &[u8]) -> Result<DataKey, KeyError> {
        let bytes = open(&self.0, aad, wrapped)?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyError::Format)?;
        Ok(DataKey(Zeroizing::new(key)))
    }
}
