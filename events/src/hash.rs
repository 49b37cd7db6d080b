//! SHA-256 digests that print as hexadecimal.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
pub struct Hash(pub [u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a SHA-256 digest in hexadecimal")]
pub struct HashError(String);

impl Hash {
    /// What the first commit names as the hash before it.
    pub const ZERO: Hash = Hash([0; 32]);

    /// Hashes the parts, each prefixed with its length (u64, little endian), so
    /// that no two lists of parts hash alike. The first part names the purpose.
    pub fn of(parts: &[&[u8]]) -> Hash {
        let mut sha = Sha256::new();
        for part in parts {
            sha.update((part.len() as u64).to_le_bytes());
            sha.update(part);
        }
        Hash(sha.finalize().into())
    }
}

impl Hash {
    /// The SHA-256 of some bytes, as `sha256sum` prints it.
    pub fn plain(bytes: &[u8]) -> Hash {
        Hash(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = HashError;
    fn from_str(s: &str) -> Result<Hash, HashError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(s, &mut bytes).map_err(|_| HashError(s.to_owned()))?;
        Ok(Hash(bytes))
    }
}
