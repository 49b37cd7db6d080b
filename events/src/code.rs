//! Why a command or request was rejected, as a stable word for programs.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What a program can do about a rejection. Each way in maps it to its own words: a gRPC
/// status, an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeClass {
    /// What is to be made exists.
    Exists,
    /// What it is about does not exist.
    NotFound,
    /// The request itself is wrong.
    Invalid,
    /// The caller has no right to it.
    Forbidden,
    /// The state does not allow it.
    Precondition,
    /// The log has moved on: look again, and ask again.
    Aborted,
    /// Something is used up, for longer than a moment.
    Exhausted,
    /// The same request may succeed a moment later.
    Busy,
    /// It is stored, and not decided yet.
    Undecided,
    /// The server cannot reach what it needs.
    Unavailable,
}

macro_rules! codes {
    ($( $class:ident { $( $name:ident = $word:literal ),* $(,)? } )*) => {
        /// A stable code. Its word never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs)] // the words say it
        pub enum Code { $( $( $name, )* )*
            /// A code of a newer release.
            Unrecognized,
        }

        impl Code {
            /// All codes of this release.
            pub const ALL: &'static [Code] = &[ $( $( Code::$name, )* )* ];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self { $( $( Code::$name => $word, )* )* Code::Unrecognized => "unrecognized" }
            }

            /// What can be done about it.
            pub fn class(self) -> CodeClass {
                match self {
                    $( $( Code::$name )|* => CodeClass::$class, )*
                    Code::Unrecognized => CodeClass::Precondition,
                }
            }
        }

        impl From<&str> for Code {
            fn from(word: &str) -> Code {
                match word { $( $( $word => Code::$name, )* )* _ => Code::Unrecognized }
            }
        }
    };
}

codes! {
    Exists {
        ClusterExists = "cluster-exists",
        CommandIdReused = "command-id-reused",
        HypervisorExists = "hypervisor-exists",
        NodeExists = "node-exists",
    }
    NotFound {
        BackupUnknown = "backup-unknown",
        ClusterUnknown = "cluster-unknown",
        HypervisorUnknown = "hypervisor-unknown",
        JobUnknown = "job-unknown",
        NodeUnknown = "node-unknown",
        NotFound = "not-found",
        TokenUnknown = "token-unknown",
    }
    Invalid {
        HypervisorInvalid = "hypervisor-invalid",
        Invalid = "invalid",
        Malformed = "malformed",
        Overlap = "overlap",
        VersionUnsupported = "version-unsupported",
    }
    Forbidden {
        Forbidden = "forbidden",
    }
    Precondition {
        BackupInUse = "backup-in-use",
        BackupsKept = "backups-kept",
        CaRetired = "ca-retired",
        ClusterBusy = "cluster-busy",
        ClusterDeleting = "cluster-deleting",
        ClusterHibernated = "cluster-hibernated",
        DeletionScheduled = "deletion-scheduled",
        Defect = "defect",
        Duplicate = "duplicate",
        EndpointTaken = "endpoint-taken",
        FeatureLevelTooLow = "feature-level-too-low",
        FeatureLevelUnknown = "feature-level-unknown",
        GivenUp = "given-up",
        HypervisorHasOrphans = "hypervisor-has-orphans",
        HypervisorInUse = "hypervisor-in-use",
        JobNeeded = "job-needed",
        KeyMaterial = "key-material",
        LastComponent = "last-component",
        LastControlPlane = "last-control-plane",
        LastIngress = "last-ingress",
        MembershipBusy = "membership-busy",
        NoIngress = "no-ingress",
        NoRestore = "no-restore",
        NoRotation = "no-rotation",
        NoUpgrade = "no-upgrade",
        NotForWorkers = "not-for-workers",
        NowhereToRestore = "nowhere-to-restore",
        PortInUse = "port-in-use",
        PortNotShared = "port-not-shared",
        PortShared = "port-shared",
        PortTaken = "port-taken",
        QuorumLost = "quorum-lost",
        RestoreRunning = "restore-running",
        RotationStep = "rotation-step",
        RotationUnfinished = "rotation-unfinished",
        TooOld = "too-old",
        UpgradeImpossible = "upgrade-impossible",
        UpgradeRunning = "upgrade-running",
    }
    Aborted {
        PositionMoved = "position-moved",
    }
    Exhausted {
        NoHypervisor = "no-hypervisor",
        PortsExhausted = "ports-exhausted",
        TooLarge = "too-large",
    }
    Busy {
        BacklogFull = "backlog-full",
        Busy = "busy",
    }
    Undecided {
        Undecided = "undecided",
    }
    Unavailable {
        Unavailable = "unavailable",
    }
}

impl Code {
    /// Whether the same request may well succeed a moment later.
    pub fn is_passing(self) -> bool {
        matches!(self.class(), CodeClass::Busy | CodeClass::Undecided | CodeClass::Unavailable)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// As a word: servers of another release know other codes.
impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Code, D::Error> {
        Ok(Code::from(String::deserialize(deserializer)?.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_names_one_code() {
        for &code in Code::ALL {
            assert_eq!(Code::from(code.as_str()), code);
        }
        assert_eq!(Code::from("of-tomorrow"), Code::Unrecognized);
    }
}
