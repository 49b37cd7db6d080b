//! Strict postcard: what is decoded is exactly what was stored.

use serde::{Deserialize, Serialize};

/// Why bytes were not encoded or decoded.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The value does not serialize.
    #[error("cannot encode {what}")]
    Encode {
        /// The type.
        what: &'static str,
        /// Postcard's reason.
        #[source]
        source: postcard::Error,
    },
    /// The bytes are not such a value.
    #[error("cannot decode {what}")]
    Decode {
        /// The type.
        what: &'static str,
        /// Postcard's reason.
        #[source]
        source: postcard::Error,
    },
    /// A value was read, and bytes were left over.
    #[error("{count} bytes are left over after {what}")]
    Trailing {
        /// The type.
        what: &'static str,
        /// How many bytes were left.
        count: usize,
    },
}

/// Encodes with postcard's wire format 1.
///
/// # Errors
/// [`CodecError::Encode`] where a type has no postcard form.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    postcard::to_stdvec(value)
        .map_err(|source| CodecError::Encode { what: std::any::type_name::<T>(), source })
}

/// Decodes and refuses trailing bytes.
///
/// # Errors
/// [`CodecError::Decode`] or [`CodecError::Trailing`].
pub fn from_bytes_strict<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, CodecError> {
    let what = std::any::type_name::<T>();
    let (value, rest) =
        postcard::take_from_bytes(bytes).map_err(|source| CodecError::Decode { what, source })?;
    if rest.is_empty() { Ok(value) } else { Err(CodecError::Trailing { what, count: rest.len() }) }
}
