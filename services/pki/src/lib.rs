//! Keys and certificates: ECDSA P-256 authorities and leaves in kubeadm's layout
//! ([`profile`]), and the sealing of private parts under one data key per cluster,
//! which a key-encryption key wraps ([`keys`]).
//!
//! Destroying a cluster's wrapped data key makes all that was sealed under it
//! unreadable. Times are Unix milliseconds and come from the caller.

mod authority;
mod encoding;
mod keys;
mod kubeconfig;
mod profile;

pub use authority::{IssueError, Material, issue, key_pair, new_authority, random_secret};
pub use encoding::{
    CertificateInfo, InspectError, certificate_pem, inspect, private_key_pem, public_key_pem,
};
pub use keys::{DataKey, KeyEncryptionKey, KeyError, KeyWrapper};
pub use kubeconfig::kubeconfig;
pub use profile::{LeafProfile, Usage};
pub use zeroize::Zeroizing;
