//! PEM (RFC 7468), and looking into a certificate.

use base64::{Engine, engine::general_purpose::STANDARD};
use std::net::IpAddr;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate, X509Error};
use zeroize::Zeroizing;

/// Bytes that are not a certificate.
#[derive(Debug, thiserror::Error)]
#[error("not an X.509 certificate")]
pub struct InspectError(#[source] x509_parser::nom::Err<X509Error>);

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Subject CN.
    pub common_name: String,
    /// Subject O.
    pub organizations: Vec<String>,
    /// Start, Unix milliseconds.
    pub not_before_ms: u64,
    /// End, Unix milliseconds.
    pub not_after_ms: u64,
    /// DNS names.
    pub dns_names: Vec<String>,
    /// Addresses.
    pub ip_addresses: Vec<IpAddr>,
}

fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(format!("-----BEGIN {label}-----\n"));
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// A certificate as PEM.
pub fn certificate_pem(der: &[u8]) -> String {
    pem("CERTIFICATE", der).to_string()
}

/// A PKCS#8 private key as PEM.
pub fn private_key_pem(pkcs8: &[u8]) -> Zeroizing<String> {
    pem("PRIVATE KEY", pkcs8)
}

/// An SPKI public key as PEM.
pub fn public_key_pem(spki: &[u8]) -> String {
    pem("PUBLIC KEY", spki).to_string()
}

/// Reads what a certificate says; verifies nothing.
///
/// # Errors
/// Where the bytes are not a certificate.
pub fn inspect(der: &[u8]) -> Result<CertificateInfo, InspectError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(InspectError)?;
    let ms = |t: i64| u64::try_from(t).unwrap_or(0).saturating_mul(1000);
    let text = |a: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        a.as_str().unwrap_or_default().to_owned()
    };
    let subject = certificate.subject();
    let (mut dns_names, mut ip_addresses) = (Vec::new(), Vec::new());
    if let Ok(Some(san)) = certificate.subject_alternative_name() {
        for name in &san.value.general_names {
            match name {
                GeneralName::DNSName(dns) => dns_names.push((*dns).to_owned()),
                GeneralName::IPAddress(bytes) => {
                    if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                        ip_addresses.push(IpAddr::from(v4));
                    } else if let Ok(v6) = <[u8; 16]>::try_from(*bytes) {
                        ip_addresses.push(IpAddr::from(v6));
                    }
                }
                _ => {}
            }
        }
    }
    Ok(CertificateInfo {
        serial: certificate.raw_serial().iter().map(|b| format!("{b:02x}")).collect(),
        common_name: subject.iter_common_name().next().map(text).unwrap_or_default(),
        organizations: subject.iter_organization().map(text).collect(),
        not_before_ms: ms(certificate.validity().not_before.timestamp()),
        not_after_ms: ms(certificate.validity().not_after.timestamp()),
        dns_names,
        ip_addresses,
    })
}
