//! Which client certificates are trusted now.

use super::denied::Denied;
use oi_clock::now_ms;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};
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

/// Trusted authorities, and what is withdrawn of what they signed. In a handshake, a client hears
/// that its certificate is revoked.
#[derive(Debug, Clone)]
pub struct Trust {
    pub verifier: Arc<dyn ClientCertVerifier>,
    pub denied: Denied,
}

impl ClientCertVerifier for Trust {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.verifier.verify_client_cert(leaf, between, now)?;
        if [leaf].into_iter().chain(between).any(|c| self.denied.has(c)) {
            return Err(CertificateError::Revoked.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

impl Trust {
    /// Checks a client's certificates as a handshake does.
    pub fn check(&self, certificates: &[CertificateDer<'_>]) -> Result<(), Untrusted> {
        let (leaf, between) = certificates.split_first().ok_or(Untrusted::Absent)?;
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now_ms()));
        match self.verify_client_cert(leaf, between, now) {
            Ok(_) => Ok(()),
            Err(rustls::Error::InvalidCertificate(CertificateError::Revoked)) => {
                Err(Untrusted::Denied)
            }
            Err(error) => Err(Untrusted::Invalid(error)),
        }
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
