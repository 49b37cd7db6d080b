//! PEM (RFC 7468), and looking into a certificate.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate, X509Error};
use x509_parser::x509::AttributeTypeAndValue;
use zeroize::Zeroizing;

/// Why a certificate was not read.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// Bytes that are not a certificate.
    #[error("not an X.509 certificate")]
    Certificate(#[source] x509_parser::nom::Err<X509Error>),
    /// More than one certificate, or something appended to it.
    #[error("{0} bytes follow the certificate")]
    Trailing(usize),
    /// An extension that does not parse, or occurs twice.
    #[error("an extension of the certificate is malformed")]
    Extension(#[source] X509Error),
}

/// Why certificates were not read.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// Not PEM.
    #[error("it is not PEM")]
    Pem(#[source] x509_parser::error::PEMError),
    /// Something else than a certificate.
    #[error("it holds {0:?}: give certificates only")]
    Other(String),
    /// Not a certificate.
    #[error("one of its certificates cannot be read")]
    Certificate(#[source] InspectError),
    /// Nothing.
    #[error("it holds no certificate: give them as PEM")]
    None,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Serial number, hexadecimal.
    pub serial_hex: String,
    /// Start, Unix milliseconds.
    pub not_before_ms: u64,
    /// End, Unix milliseconds.
    pub not_after_ms: u64,
    /// Subject CN; empty where there is none.
    pub common_name: String,
    /// Subject O.
    pub organizations: Vec<String>,
    /// DNS names.
    pub dns_names: Vec<String>,
    /// Addresses.
    pub ip_addresses: Vec<IpAddr>,
    /// Whether it may sign certificates.
    pub is_ca: bool,
    /// Public key, SPKI DER.
    pub public_key: Vec<u8>,
}

pub(crate) fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let mut rest = encoded.as_str();
    let mut parts = vec!["-----BEGIN ", label, "-----\n"];
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        parts.extend([line, "\n"]);
        rest = tail;
    }
    parts.extend(["-----END ", label, "-----\n"]);
    Zeroizing::new(parts.concat())
}

/// A certificate as PEM.
pub fn certificate_pem(der: &[u8]) -> String {
    pem("CERTIFICATE", der).to_string()
}

/// Certificates written as PEM, and nothing else; DER.
///
/// # Errors
/// Where there is none, or something that is not one.
pub fn read_certificates(text: &str) -> Result<Vec<Vec<u8>>, PemError> {
    let mut all = Vec::new();
    for pem in Pem::iter_from_buffer(text.as_bytes()) {
        let pem = pem.map_err(PemError::Pem)?;
        if pem.label != "CERTIFICATE" {
            return Err(PemError::Other(pem.label));
        }
        inspect(&pem.contents).map_err(PemError::Certificate)?;
        all.push(pem.contents);
    }
    if all.is_empty() { Err(PemError::None) } else { Ok(all) }
}

/// A PKCS#8 private key as PEM.
pub fn private_key_pem(pkcs8: &[u8]) -> Zeroizing<String> {
    pem("PRIVATE KEY", pkcs8)
}

/// An SPKI public key as PEM.
pub fn public_key_pem(spki: &[u8]) -> String {
    pem("PUBLIC KEY", spki).to_string()
}

/// The SHA-256 of a certificate, which names it.
pub fn fingerprint(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}

/// The SHA-256 of a certificate's public key, by which kubeadm pins an authority.
///
/// # Errors
/// Where the bytes are not exactly one certificate.
pub fn public_key_hash(der: &[u8]) -> Result<[u8; 32], InspectError> {
    Ok(Sha256::digest(inspect(der)?.public_key).into())
}

/// Reads what one certificate says; verifies nothing.
///
/// # Errors
/// Where the bytes are not exactly one certificate.
pub fn inspect(der: &[u8]) -> Result<CertificateInfo, InspectError> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(InspectError::Certificate)?;
    if !rest.is_empty() {
        return Err(InspectError::Trailing(rest.len()));
    }
    let ms = |seconds: i64| seconds.max(0).unsigned_abs().saturating_mul(1000);
    let (subject, validity) = (certificate.subject(), certificate.validity());
    let constraints = certificate.basic_constraints().map_err(InspectError::Extension)?;
    let names = certificate.subject_alternative_name().map_err(InspectError::Extension)?;
    let names = names.map(|san| san.value.general_names.as_slice()).unwrap_or_default();
    Ok(CertificateInfo {
        serial_hex: hex::encode(certificate.raw_serial()),
        not_before_ms: ms(validity.not_before.timestamp()),
        not_after_ms: ms(validity.not_after.timestamp()),
        common_name: subject.iter_common_name().next().map(text).unwrap_or_default(),
        organizations: subject.iter_organization().map(text).collect(),
        dns_names: names.iter().filter_map(dns_name).collect(),
        ip_addresses: names.iter().filter_map(ip_address).collect(),
        is_ca: constraints.is_some_and(|c| c.value.ca),
        public_key: certificate.public_key().raw.to_vec(),
    })
}

/// A part of a name. What is in an encoding of old is shown as far as it can be read.
fn text(part: &AttributeTypeAndValue<'_>) -> String {
    match part.as_str() {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(part.as_slice()).into_owned(),
    }
}

pub(crate) fn dns_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(dns) => Some((*dns).to_owned()),
        _ => None,
    }
}

pub(crate) fn ip_address(name: &GeneralName<'_>) -> Option<IpAddr> {
    let GeneralName::IPAddress(bytes) = name else { return None };
    match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
        (Ok(v4), _) => Some(v4.into()),
        (_, Ok(v6)) => Some(v6.into()),
        // A range, which only constraints of names have.
        _ => None,
    }
}
