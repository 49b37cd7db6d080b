//! Looking into a request for a certificate (PKCS #10, RFC 2986).

use base64::{Engine, engine::general_purpose::STANDARD};
use std::net::IpAddr;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::x509::AttributeTypeAndValue;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestInfo {
    /// Subject CN; empty where there is none.
    pub common_name: String,
    /// Subject O.
    pub organizations: Vec<String>,
    /// DNS names.
    pub dns_names: Vec<String>,
    /// Addresses.
    pub ip_addresses: Vec<IpAddr>,
    /// Whether it names anything else: mail addresses, URIs.
    pub has_others: bool,
}

/// Not a request.
#[derive(Debug, thiserror::Error)]
#[error("not a request for a certificate: {0}")]
pub struct RequestError(&'static str);

/// Reads what a request asks for: PEM in base64, as CertificateSigningRequests of Kubernetes
/// have it. Verifies nothing; whoever signs does.
///
/// # Errors
/// Where it is none.
pub fn inspect_request(text: &str) -> Result<RequestInfo, RequestError> {
    let text = STANDARD.decode(text).map_err(|_| RequestError("not base64"))?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&text).map_err(|_| RequestError("not PEM"))?;
    let (_, request) = X509CertificationRequest::from_der(&pem.contents)
        .map_err(|_| RequestError("not PKCS #10"))?;
    let subject = &request.certification_request_info.subject;
    let text = |a: &AttributeTypeAndValue<'_>| a.as_str().unwrap_or_default().to_owned();
    let mut info = RequestInfo {
        common_name: subject.iter_common_name().next().map(text).unwrap_or_default(),
        organizations: subject.iter_organization().map(text).collect(),
        ..RequestInfo::default()
    };
    for extension in request.requested_extensions().into_iter().flatten() {
        let ParsedExtension::SubjectAlternativeName(names) = extension else { continue };
        for name in &names.general_names {
            match name {
                GeneralName::DNSName(name) => info.dns_names.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
                    Ok(v4) => info.ip_addresses.push(v4.into()),
                    Err(_) => match <[u8; 16]>::try_from(*bytes) {
                        Ok(v6) => info.ip_addresses.push(v6.into()),
                        Err(_) => info.has_others = true,
                    },
                },
                _ => info.has_others = true,
            }
        }
    }
    Ok(info)
}
