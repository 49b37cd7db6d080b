//! Typed ids. A name that is not valid cannot be constructed or decoded.

use crate::hash::Hash;
use crate::limit::Limit;
use crate::parsed::parsed;
use crate::text::quoted;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Why a name or a version was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not an RFC 1123 label.
    #[error("{kind} {} is not a DNS label: {}", quoted(.value), Limit::Name.problem())]
    Label {
        /// What was to be named.
        kind: &'static str,
        /// The refused text.
        value: String,
    },
    /// Not a Kubernetes release.
    #[error(
        "Kubernetes version {} is malformed: write it as vMAJOR.MINOR.PATCH, for example v1.36.3",
        quoted(.0)
    )]
    Version(String),
    /// Not an id.
    #[error("{} is not a UUID", quoted(.0))]
    Uuid(String),
    /// Not the id of a token.
    #[error(
        "{} is not the id of a join token: six of a-z and 0-9, what stands before the dot",
        quoted(.0)
    )]
    Token(String),
    /// Not a peer of a tunnel.
    #[error("{} is not a peer of a tunnel: write controlplane/NODE or worker/NAME", quoted(.0))]
    Peer(String),
}

fn is_label(s: &str) -> bool {
    let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = s.as_bytes();
    (1..=Limit::Name.bound()).contains(&bytes.len())
        && bytes.iter().all(|&c| edge(c) || c == b'-')
        && edge(bytes[0])
        && edge(bytes[bytes.len() - 1])
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "SmolStr", into = "SmolStr")]
        pub struct $name(SmolStr);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<SmolStr> for $name {
            type Error = IdError;
            fn try_from(name: SmolStr) -> Result<Self, IdError> {
                if is_label(&name) {
                    Ok(Self(name))
                } else {
                    Err(IdError::Label { kind: $kind, value: name.into() })
                }
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(s: &str) -> Result<Self, IdError> {
                Self::try_from(SmolStr::new(s))
            }
        }
        impl From<$name> for SmolStr {
            fn from(name: $name) -> SmolStr {
                name.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

label!(
    /// The name of a hypervisor: a machine that exposes a CRI socket.
    HypervisorName,
    "hypervisor name"
);
label!(
    /// The name of a cluster, unique among clusters that are not deleted.
    ClusterName,
    "cluster name"
);
label!(
    /// The name of a tenant: somebody who sees and changes clusters of their own only.
    TenantName,
    "tenant name"
);
label!(
    /// The name of a node, unique within its cluster.
    NodeName,
    "node name"
);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(s: &str) -> Result<Self, IdError> {
                Uuid::try_parse(s).map(Self).map_err(|_| IdError::Uuid(s.to_owned()))
            }
        }
    };
}

uuid_id!(
    /// One command, named by whoever sends it: the same id is decided once.
    CommandId
);
uuid_id!(
    /// A backup: the id of the command that asked for it.
    BackupId
);
uuid_id!(
    /// One life of a cluster: a name can be used again after deletion, a uid
    /// cannot. It is the id of the command that created the cluster.
    ClusterUid
);

/// The part of a join token that is no secret: six of a-z and 0-9, as Kubernetes' bootstrap
/// tokens have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "SmolStr", into = "SmolStr")]
pub struct TokenId(SmolStr);

const TOKEN_LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Letters of a token, one for each two bytes.
pub fn token_letters(bytes: &[u8]) -> String {
    let letter =
        |pair: &[u8; 2]| char::from(TOKEN_LETTERS[usize::from(u16::from_be_bytes(*pair)) % 36]);
    bytes.as_chunks::<2>().0.iter().map(letter).collect()
}

impl TokenId {
    /// The id of the token that a command asks for.
    pub fn of(command: CommandId) -> TokenId {
        let digest = Hash::of(&[b"oi/join-token/v1", command.0.as_bytes()]);
        TokenId(token_letters(&digest.0[..12]).into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<SmolStr> for TokenId {
    type Error = IdError;
    fn try_from(id: SmolStr) -> Result<Self, IdError> {
        let fits = id.len() == 6 && id.bytes().all(|c| TOKEN_LETTERS.contains(&c));
        if fits { Ok(TokenId(id)) } else { Err(IdError::Token(id.into())) }
    }
}
impl FromStr for TokenId {
    type Err = IdError;
    fn from_str(s: &str) -> Result<Self, IdError> {
        Self::try_from(SmolStr::new(s))
    }
}
impl From<TokenId> for SmolStr {
    fn from(id: TokenId) -> SmolStr {
        id.0
    }
}
impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Rises with each decision that changes what must run. It is the log position
/// of that decision, so it is never used twice.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a job is for, as dot-separated tokens: a pure function of its target,
/// generation and step. It is usable as the tail of a NATS subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A Kubernetes release, `vMAJOR.MINOR.PATCH`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "SmolStr", into = "SmolStr")]
pub struct KubernetesVersion {
    major: u16,
    minor: u16,
    patch: u16,
}

impl KubernetesVersion {
    /// The minor release, `36` in `v1.36.3`.
    pub fn minor(&self) -> u16 {
        self.minor
    }
    /// The major release, `1` in `v1.36.3`.
    pub fn major(&self) -> u16 {
        self.major
    }
}

impl FromStr for KubernetesVersion {
    type Err = IdError;
    fn from_str(value: &str) -> Result<Self, IdError> {
        let number = |s: &str| -> Option<u16> {
            let canonical = s == "0" || !s.starts_with('0');
            (canonical && s.bytes().all(|b| b.is_ascii_digit())).then(|| parsed(s))?
        };
        let parse = || {
            let mut parts = value.strip_prefix('v')?.split('.').map(number);
            let version =
                Self { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? };
            parts.next().is_none().then_some(version)
        };
        parse().ok_or_else(|| IdError::Version(value.to_owned()))
    }
}

impl TryFrom<SmolStr> for KubernetesVersion {
    type Error = IdError;
    fn try_from(value: SmolStr) -> Result<Self, IdError> {
        value.parse()
    }
}

impl From<KubernetesVersion> for SmolStr {
    fn from(v: KubernetesVersion) -> SmolStr {
        v.to_smolstr()
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)
    }
}
