//! The scheme of record kinds, versions and facts.
//!
//! A kind is a stable number, never the position of a Rust variant. Each kind
//! lists all the versions that were ever written; reading an old version turns
//! it into the newest through `From`, one step a version.
//!
//! A record is declared once, in the file of its feature, together with all facts
//! that other parts need about it: see [`CommandFacts`](crate::CommandFacts) and
//! [`EventFacts`](crate::EventFacts). A declaration that lacks a fact does not compile:
//!
//! ```
#![doc = include_str!("../tests/declarations/complete.rs")]
//! ```
//!
//! The same without `level`:
//!
//! ```compile_fail,E0063
#![doc = include_str!("../tests/declarations/without_level.rs")]
//! ```

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

/// Declares the records of one feature, as part of [`Command`](crate::Command) or
/// [`Event`](crate::Event):
///
/// ```text
/// FeatureCommand in Command::Feature, CommandFacts {
///     Variant(binding) = number [version => OlderType, …; version => NewestType] { fact: value, … }
/// }
/// ```
///
/// The variant holds the newest type, which each older one must convert into. The facts may
/// depend on the record, which `binding` names.
#[doc(hidden)]
#[macro_export]
macro_rules! records {
    ($(#[$doc:meta])* $name:ident in $all:ident::$feature:ident, $facts:ident $(<$life:lifetime>)? {
        $( $variant:ident($record:ident) = $kind:literal
           [ $( $old:literal => $old_type:ty, )* ; $version:literal => $type:ty ]
           { $($fact:tt)* } ),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs)] // each type says it
        pub enum $name { $( $variant($type) ),* }

        impl $name {
            /// Every kind with its newest version.
            pub const KINDS: &'static [$crate::RecordKind] = &[ $( $crate::RecordKind {
                kind: $kind, version: $version, name: stringify!($variant) } ),* ];

            /// The kind, version and name of this record.
            pub fn kind(&self) -> $crate::RecordKind {
                match self { $( Self::$variant(_) => $crate::RecordKind {
                    kind: $kind, version: $version, name: stringify!($variant) } ),* }
            }

            /// What other parts need to know about this record.
            #[allow(unused_variables)] // facts that are the same for each record of a kind
            pub fn facts(&self) -> $facts $(<$life>)? {
                match self { $( Self::$variant($record) => $facts { $($fact)* } ),* }
            }

            /// The stored bytes of this record, in the newest version.
            ///
            /// # Errors
            /// Where a value has no stored form.
            pub fn encode(&self) -> Result<Vec<u8>, $crate::CodecError> {
                match self { $( Self::$variant(value) => $crate::to_bytes(value) ),* }
            }

            /// Reads any version that was ever written; none for a kind of another feature.
            ///
            /// # Errors
            /// [`RecordError`](crate::RecordError).
            pub fn decode(
                kind: u16,
                version: u16,
                bytes: &[u8],
            ) -> Option<Result<Self, $crate::RecordError>> {
                let bad = |source| $crate::RecordError::Codec { kind, version, source };
                Some(match (kind, version) {
                    $( $( ($kind, $old) => $crate::from_bytes_strict::<$old_type>(bytes)
                        .map(|old| Self::$variant(old.into())).map_err(bad), )*
                       ($kind, $version) => $crate::from_bytes_strict::<$type>(bytes)
                        .map(Self::$variant).map_err(bad),
                       ($kind, _) => Err($crate::RecordError::Unknown { kind, version }), )*
                    _ => return None,
                })
            }
        }

        impl $name {
            /// Reads any version in a form for people, such as JSON; none for a kind of
            /// another feature.
            ///
            /// # Errors
            /// Those of the form.
            pub fn deserialize<'de, D: serde::Deserializer<'de>>(
                kind: u16,
                version: u16,
                from: D,
            ) -> Option<Result<Self, D::Error>> {
                Some(match (kind, version) {
                    $( $( ($kind, $old) => <$old_type as serde::Deserialize>::deserialize(from)
                        .map(|old| Self::$variant(old.into())), )*
                       ($kind, $version) => <$type as serde::Deserialize>::deserialize(from)
                        .map(Self::$variant), )*
                    _ => return None,
                })
            }
        }

        /// The content, without kind and version.
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self { $( Self::$variant(value) => value.serialize(to) ),* }
            }
        }
        $( impl From<$type> for $name { fn from(v: $type) -> Self { Self::$variant(v) } }
           impl From<$type> for $all {
               fn from(v: $type) -> Self { Self::$feature($name::$variant(v)) }
           } )*
    };
}

/// Declares the enum over the records of all features.
#[doc(hidden)]
#[macro_export]
macro_rules! features {
    ($(#[$doc:meta])* $name:ident, $facts:ty { $( $feature:ident($type:ty) ),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs)] // each type says it
        pub enum $name { $( $feature($type) ),* }

        impl $name {
            /// Every kind with its newest version.
            pub fn kinds() -> impl Iterator<Item = $crate::RecordKind> {
                [ $( <$type>::KINDS ),* ].into_iter().flatten().copied()
            }

            /// The kind, version and name of this record.
            pub fn kind(&self) -> $crate::RecordKind {
                match self { $( Self::$feature(record) => record.kind() ),* }
            }

            /// What other parts need to know about this record.
            pub fn facts(&self) -> $facts {
                match self { $( Self::$feature(record) => record.facts() ),* }
            }

            /// The stored bytes of this record, in the newest version.
            ///
            /// # Errors
            /// Where a value has no stored form.
            pub fn encode(&self) -> Result<Vec<u8>, $crate::CodecError> {
                match self { $( Self::$feature(record) => record.encode() ),* }
            }

            /// Reads any version that was ever written.
            ///
            /// # Errors
            /// [`RecordError::Unknown`](crate::RecordError) for what a newer
            /// release wrote, `Codec` for bytes that do not fit, trailing ones
            /// included.
            pub fn decode(
                kind: u16,
                version: u16,
                bytes: &[u8],
            ) -> Result<Self, $crate::RecordError> {
                $( if let Some(read) = <$type>::decode(kind, version, bytes) {
                    return read.map(Self::$feature);
                } )*
                Err($crate::RecordError::Unknown { kind, version })
            }
        }

        impl $name {
            /// Reads any version in a form for people, such as JSON; none for an unknown kind.
            ///
            /// # Errors
            /// Those of the form.
            pub fn deserialize<'de, D: serde::Deserializer<'de>>(
                kind: u16,
                version: u16,
                from: D,
            ) -> Option<Result<Self, D::Error>> {
                let is = |k: &$crate::RecordKind| k.kind == kind;
                $( if <$type>::KINDS.iter().any(is) {
                    return Some(<$type>::deserialize(kind, version, from)?.map(Self::$feature));
                } )*
                None
            }
        }

        /// The content, without kind and version.
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                match self { $( Self::$feature(record) => record.serialize(to) ),* }
            }
        }
        $( impl From<$type> for $name { fn from(v: $type) -> Self { Self::$feature(v) } } )*
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, dead_code, missing_docs)]
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
    pub struct Facts<'a> {
        tall: bool,
        door: &'a DoorV2,
    }
    records!(DoorRecord in House::Door, Facts<'_> {
        Door(d) = 7 [1 => DoorV1, ; 2 => DoorV2] { tall: d.height_mm > 1900, door: d }
    });
    features!(House, Facts<'_> { Door(DoorRecord) });

    #[test]
    fn an_old_version_is_read_as_the_newest() {
        let old = crate::to_bytes(&DoorV1(200)).unwrap();
        let door = House::decode(7, 1, &old).unwrap();
        assert_eq!(door, DoorV2 { height_mm: 2000 }.into());
        assert!(door.facts().tall);
    }

    #[test]
    fn an_unknown_kind_or_version_is_named() {
        for (kind, version) in [(7, 3), (8, 1)] {
            let error = House::decode(kind, version, &[]).unwrap_err().to_string();
            assert!(error.contains(&format!("kind {kind} version {version}")), "{error}");
        }
    }
}
