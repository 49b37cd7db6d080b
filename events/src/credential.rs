//! Key material as the log may carry it: public parts in the clear, private
//! parts sealed.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A certificate or public key with its private key sealed under the cluster's
/// data key. Frozen: part of stored events.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// What it is for, for example `apiserver` or `etcd-ca`.
    pub name: String,
    /// X.509 certificate or SPKI public key, DER; empty for a bare secret.
    #[serde(with = "serde_bytes")]
    pub public: Vec<u8>,
    /// The private part, sealed; the cluster's uid and `name` are bound to it.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// When the certificate ends, Unix milliseconds; 0 where there is no end.
    pub not_after_ms: u64,
}

impl Credential {
    /// The name of a controller manager's client certificate.
    pub const CONTROLLER_MANAGER: &str = "controller-manager";
    /// The name of a scheduler's client certificate.
    pub const SCHEDULER: &str = "scheduler";
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}, {} bytes sealed)", self.name, self.sealed.len())
    }
}
