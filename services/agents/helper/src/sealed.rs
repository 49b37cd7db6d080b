//! Seals bytes to a helper's key (libsodium's sealed box).

use crate::files::FileOp;
use base64::{Engine, engine::general_purpose::STANDARD};
use crypto_box::{PublicKey, SecretKey, aead::OsRng};

/// Below Linux's limit of 128 KiB for one argument.
const CHUNK: usize = 96 * 1024;

/// Why operations were not sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Not base64.
    #[error("not base64")]
    Encoding(#[from] base64::DecodeError),
    /// Not an X25519 key.
    #[error("not a public key of 32 bytes")]
    Key,
    /// Sealed to another key, or changed.
    #[error("sealed to another key, or changed on the way")]
    Open,
    /// Encryption failed.
    #[error("cannot seal")]
    Seal,
    /// Not a list of operations.
    #[error("not a list of file operations")]
    Operations(#[from] postcard::Error),
}

/// Seals operations to a public key (base64). Returns the arguments of `put`.
///
/// # Errors
/// If the key is malformed.
pub fn seal(public_key: &str, operations: &[FileOp]) -> Result<Vec<String>, SealError> {
    Ok(arguments(&seal_bytes(public_key, &postcard::to_stdvec(operations)?)?))
}

/// Splits sealed bytes into arguments of a command.
pub fn arguments(sealed: &str) -> Vec<String> {
    sealed.as_bytes().chunks(CHUNK).map(|c| String::from_utf8_lossy(c).into_owned()).collect()
}

/// Seals bytes to a public key. Both are base64.
///
/// # Errors
/// If the key is malformed.
pub fn seal_bytes(public_key: &str, plaintext: &[u8]) -> Result<String, SealError> {
    let key: [u8; 32] =
        STANDARD.decode(public_key.trim())?.try_into().map_err(|_| SealError::Key)?;
    let sealed = PublicKey::from(key).seal(&mut OsRng, plaintext).map_err(|_| SealError::Seal)?;
    Ok(STANDARD.encode(sealed))
}

/// The holder of a key pair that exists in memory only.
pub struct Opener(SecretKey);

impl Default for Opener {
    fn default() -> Self {
        Opener(SecretKey::generate(&mut OsRng))
    }
}

impl Opener {
    /// The public key, base64.
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.0.public_key().as_bytes())
    }

    /// Opens operations that were sealed to this key.
    ///
    /// # Errors
    /// For anything else.
    pub fn open(&self, arguments: &str) -> Result<Vec<FileOp>, SealError> {
        let plaintext = self.open_bytes(arguments)?;
        let (operations, rest) = postcard::take_from_bytes(&plaintext)?;
        if rest.is_empty() { Ok(operations) } else { Err(SealError::Open) }
    }

    /// Opens bytes that were sealed to this key.
    ///
    /// # Errors
    /// For anything else.
    pub fn open_bytes(&self, text: &str) -> Result<Vec<u8>, SealError> {
        let sealed = STANDARD.decode(text.trim())?;
        self.0.unseal(&sealed).map_err(|_| SealError::Open)
    }
}
