//! The scheme of record kinds and versions.
//!
//! A kind is a stable number, never the position of a Rust variant. Each kind
//! lists all the versions that were ever written; reading an old version turns
//! it into the newest through `From`, one step a version.

use crate::codec::CodecError;

/// Kind number and version of a stored record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordKind {
    /// The stable number of the kind.
    pub kind: u16,
    /// The version of the kind's layout, from 1.
    pub version: u16,
    /// The kind's name, as shown to people and put in headers.
    pub name: &'static str,
}

/// Why a stored record was not read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer release.
    #[error(
        "record kind {kind} version {version} is unknown to this release: upgrade before reading this log"
    )]
    Unknown {
        /// The kind's number.
        kind: u16,
        /// The layout's version.
        version: u16,
    },
    /// The bytes do not fit their kind.
    #[error("record kind {kind} version {version} does not decode")]
    Codec {
        /// The kind's number.
        kind: u16,
        /// The layout's version.
        version: u16,
        /// What was wrong with the bytes.
        #[source]
        source: CodecError,
    },
}

/// Declares an enum of records: `Variant = number [version => Type, …, newest]`.
/// The variant holds the newest type, which each older one must convert into.
macro_rules! records {
    ($(#[$doc:meta])* $name:ident {
        $( $(#[$vdoc:meta])* $variant:ident = $kind:literal
           [ $( $old:literal => $old_type:ty, )* ; $version:literal => $type:ty ] ),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name { $( $(#[$vdoc])* $variant($type) ),* }

        impl $name {
            /// Every kind with its newest version.
            pub const KINDS: &'static [$crate::RecordKind] = &[ $( $crate::RecordKind {
                kind: $kind, version: $version, name: stringify!($variant) } ),* ];

            /// The kind, version and name of this record.
            pub fn kind(&self) -> $crate::RecordKind {
                match self { $( Self::$variant(_) => $crate::RecordKind {
                    kind: $kind, version: $version, name: stringify!($variant) } ),* }
            }

            /// The stored bytes of this record, in the newest version.
            ///
            /// # Errors
            /// Where a value has no stored form.
            pub fn encode(&self) -> Result<Vec<u8>, $crate::CodecError> {
                match self { $( Self::$variant(value) => $crate::to_bytes(value) ),* }
            }

            /// Reads any version that was ever written.
            ///
            /// # Errors
            /// [`RecordError::Unknown`](crate::RecordError) for what a newer
            /// release wrote, `Codec` for bytes that do not fit, trailing ones
            /// included.
            pub fn decode(kind: u16, version: u16, bytes: &[u8]) -> Result<Self, $crate::RecordError> {
                let bad = |source| $crate::RecordError::Codec { kind, version, source };
                match (kind, version) {
                    $( $( ($kind, $old) => $crate::from_bytes_strict::<$old_type>(bytes)
                        .map(|old| Self::$variant(old.into())).map_err(bad), )*
                       ($kind, $version) => $crate::from_bytes_strict::<$type>(bytes)
                        .map(Self::$variant).map_err(bad), )*
                    _ => Err($crate::RecordError::Unknown { kind, version }),
                }
            }
        }
        $( impl From<$type> for $name { fn from(v: $type) -> Self { Self::$variant(v) } } )*
    };
}
pub(crate) use records;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, dead_code)]
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct DoorV1(u8);
    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    pub struct DoorV2 {
        height_mm: u32,
    }
    impl From<DoorV1> for DoorV2 {
        fn from(old: DoorV1) -> Self {
            DoorV2 { height_mm: u32::from(old.0) * 10 }
        }
    }
    records!(Sample { Door = 7 [1 => DoorV1, ; 2 => DoorV2] });

    #[test]
    fn an_old_version_is_read_as_the_newest() {
        let old = crate::to_bytes(&DoorV1(200)).unwrap();
        assert_eq!(Sample::decode(7, 1, &old).unwrap(), Sample::Door(DoorV2 { height_mm: 2000 }));
    }

    #[test]
    fn an_unknown_kind_or_version_is_named() {
        let error = Sample::decode(7, 3, &[]).unwrap_err().to_string();
        assert!(error.contains("kind 7 version 3"), "{error}");
    }
}
