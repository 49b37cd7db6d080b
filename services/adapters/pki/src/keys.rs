//! Sealing: XChaCha20-Poly1305 under a data key per cluster, and the port for
//! whatever wraps data keys.

use chacha20poly1305::aead::{self, Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use std::fmt;
use zeroize::Zeroizing;

/// The layout of sealed bytes: this byte, the nonce, the ciphertext with its tag.
const FORMAT: u8 = 1;
const NONCE: usize = 24;

/// Why something was not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system's randomness failed.
    #[error("no randomness for a key or nonce")]
    Random(#[source] getrandom::Error),
    /// Encryption failed.
    #[error("cannot seal")]
    Seal(#[source] aead::Error),
    /// Another key, another purpose, or changed bytes.
    #[error("cannot open: it was sealed under another key or for another purpose, or was changed")]
    Open(#[source] aead::Error),
    /// Not of a known layout.
    #[error("sealed bytes have an unknown layout")]
    Format,
    /// What was unwrapped is no data key.
    #[error("a data key has 32 bytes, not {0}")]
    Length(usize),
    /// A key manager failed; for implementations of [`KeyWrapper`] elsewhere.
    #[error("the key manager failed")]
    Manager(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// 32 random bytes.
///
/// # Errors
/// Where the system's randomness fails.
pub fn random_secret() -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut()).map_err(KeyError::Random)?;
    Ok(bytes)
}

/// The key under which a cluster's private material is sealed. Its memory is
/// cleared when it is dropped, and `Debug` does not show it.
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
        random_secret().map(DataKey)
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Result<DataKey, KeyError> {
        let key = bytes.try_into().map_err(|_| KeyError::Length(bytes.len()))?;
        Ok(DataKey(Zeroizing::new(key)))
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }

    /// Seals for one purpose, `aad`. Sealing twice gives different bytes.
    ///
    /// # Errors
    /// Where the system's randomness fails.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(KeyError::Random)?;
        let ciphertext = self
            .cipher()
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: plaintext, aad })
            .map_err(KeyError::Seal)?;
        Ok([&[FORMAT][..], &nonce, &ciphertext].concat())
    }

    /// Opens what this key sealed for the same purpose, and nothing else.
    ///
    /// # Errors
    /// [`KeyError::Open`] where key, purpose or bytes differ; [`KeyError::Format`]
    /// where the bytes were never sealed.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let rest = sealed.strip_prefix(&[FORMAT]).ok_or(KeyError::Format)?;
        let (nonce, msg) = rest.split_at_checked(NONCE).ok_or(KeyError::Format)?;
        self.cipher()
            .decrypt(XNonce::from_slice(nonce), Payload { msg, aad })
            .map(Zeroizing::new)
            .map_err(KeyError::Open)
    }
}

/// The port for whatever wraps data keys: a key file here, a KMS elsewhere.
/// Calls may block.
pub trait KeyWrapper: Send + Sync {
    /// Tells the wrapping key from others, and nothing of it.
    fn id(&self) -> String;

    /// Wraps a data key for one purpose, `aad`.
    ///
    /// # Errors
    /// Where the wrapping key cannot be used.
    fn wrap(&self, key: &DataKey, aad: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Unwraps what was wrapped for the same purpose.
    ///
    /// # Errors
    /// Where it was wrapped by another key or for another purpose, or was changed.
    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<DataKey, KeyError>;
}
