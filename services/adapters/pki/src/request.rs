//! Looking into a request for a certificate (PKCS #10, RFC 2986).

use crate::encoding::{dns_name, ip_address, pem};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::net::IpAddr;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::x509::AttributeTypeAndValue;

const LABEL: &str = "CERTIFICATE REQUEST";

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
    let (_, block) =
        x509_parser::pem::parse_x509_pem(&text).map_err(|_| RequestError("not PEM"))?;
    // Readers differ in what they make of several blocks, of other labels, and of what stands
    // around a block. Whoever signs must read what is read here.
    let plain = String::from_utf8_lossy(&text).replace('\r', "");
    if plain.trim_end() != pem(LABEL, &block.contents).trim_end() {
        return Err(RequestError("not one plain block of PEM"));
    }
    let (rest, request) = X509CertificationRequest::from_der(&block.contents)
        .map_err(|_| RequestError("not PKCS #10"))?;
    if !rest.is_empty() {
        return Err(RequestError("something follows it"));
    }
    let attributes = request.certification_request_info.iter_attributes();
    let asks = |a: &ParsedCriAttribute<'_>| matches!(a, ParsedCriAttribute::ExtensionRequest(_));
    if attributes.filter(|a| asks(a.parsed_attribute())).count() > 1 {
        return Err(RequestError("it asks for extensions twice"));
    }
    let subject = &request.certification_request_info.subject;
    if subject.iter_common_name().count() > 1 {
        return Err(RequestError("it has more than one common name"));
    }
    let text = |a: &AttributeTypeAndValue<'_>| match a.as_str() {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(RequestError("its subject is no plain text")),
    };
    let mut info = RequestInfo {
        common_name: subject.iter_common_name().next().map(text).transpose()?.unwrap_or_default(),
        organizations: subject.iter_organization().map(text).collect::<Result<_, _>>()?,
        ..RequestInfo::default()
    };
    for extension in request.requested_extensions().into_iter().flatten() {
        let ParsedExtension::SubjectAlternativeName(names) = extension else { continue };
        for name in &names.general_names {
            match (dns_name(name), ip_address(name)) {
                (Some(dns), _) => info.dns_names.push(dns),
                (_, Some(ip)) => info.ip_addresses.push(ip),
                _ => info.has_others = true,
            }
        }
    }
    Ok(info)
}
