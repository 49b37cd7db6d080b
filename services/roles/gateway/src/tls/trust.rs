//! Which client certificates are trusted now.

use super::denied::Denied;
use oi_clock::now_ms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use std::sync::Arc;
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a certificate is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// Not even in a handshake.
    #[error("the client certificate has ended, or its authority is no longer trusted")]
    Invalid(#[source] rustls::Error),
    /// Somebody withdrew it.
    #[error("the client certificate is on the deny list")]
    Denied,
    /// There is none.
    #[error("there is no client certificate")]
    Absent,
}

/// Trusted authorities, and what is withdrawn of what they signed.
#[derive(Debug, Clone)]
pub struct Trust {
    pub verifier: Arc<dyn ClientCertVerifier>,
    pub denied: Denied,
}

impl Trust {
    /// Checks a client's certificates as a handshake does, and whether one of them is denied.
    pub fn check(&self, certificates: &[CertificateDer<'_>]) -> Result<(), Untrusted> {
        let (leaf, between) = certificates.split_first().ok_or(Untrusted::Absent)?;
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now_ms()));
        self.verifier.verify_client_cert(leaf, between, now).map_err(Untrusted::Invalid)?;
        if certificates.iter().any(|c| self.denied.has(c)) {
            return Err(Untrusted::Denied);
        }
        Ok(())
    }
}

/// How long the first of these certificates lasts, at least; nothing for what is no certificate.
pub fn remaining(certificates: &[CertificateDer<'_>]) -> Duration {
    let now = now_ms();
    let left = |certificate: &CertificateDer<'_>| match X509Certificate::from_der(certificate) {
        Ok((_, parsed)) => match u64::try_from(parsed.validity().not_after.timestamp()) {
            // It lasts until the end of that second.
            Ok(end) => Duration::from_millis(((end + 1).saturating_mul(1000)).saturating_sub(now)),
            Err(_before_1970) => Duration::ZERO,
        },
        Err(_) => Duration::ZERO,
    };
    certificates.iter().map(left).min().unwrap_or_default()
}
