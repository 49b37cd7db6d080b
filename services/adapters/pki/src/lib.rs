//! Keys and certificates of a control plane, and how their private parts are kept.
//!
//! A cluster has its own authorities ([`new_ca`]), which sign leaves in
//! kubeadm's layout ([`LeafProfile`], [`issue`]), and a bare [`key_pair`] for its
//! service accounts; all keys are ECDSA P-256. [`kubeconfig`] and the PEM functions
//! turn them into what components read.
//!
//! Private parts rest sealed under one [`DataKey`] per cluster, which a
//! [`KeyWrapper`] wraps: a [`KeyEncryptionKey`] in a file, or a KMS. Destroying a
//! cluster's wrapped data key makes all that was sealed under it unreadable.
//!
//! Times are Unix milliseconds and come from the caller, and certificates carry
//! them rounded down to seconds. Randomness is drawn for keys, nonces and serial
//! numbers only. Errors and `Debug` output never show key material.

mod authority;
mod encoding;
mod key_file;
mod keys;
mod kubeconfig;
mod profile;
mod request;

pub use authority::{IssueError, Material, issue, key_pair, new_ca};
pub use encoding::{
    CertificateInfo, InspectError, PemError, certificate_pem, fingerprint, inspect,
    private_key_pem, public_key_hash, public_key_pem, read_certificates,
};
pub use key_file::{KeyEncryptionKey, KeyFileError, KeyFileProblem};
pub use keys::{DataKey, KeyError, KeyWrapper, random_secret};
pub use kubeconfig::{kubeconfig, kubeconfig_with_files};
pub use profile::{LeafProfile, Usage};
pub use request::{RequestError, RequestInfo, inspect_request};
pub use zeroize::Zeroizing;
