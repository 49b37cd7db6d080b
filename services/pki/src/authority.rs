//! Making authorities, leaves and key pairs.

use crate::profile::{LeafProfile, Usage};
use rcgen::PublicKeyData;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    SanType, SerialNumber,
};
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// Certificates start a little in the past: clocks differ.
const BACKDATE_MS: u64 = 5 * 60 * 1000;

/// A certificate with its private key.
#[derive(Clone)]
pub struct Material {
    /// X.509 certificate, DER.
    pub certificate: Vec<u8>,
    /// Private key, PKCS#8 DER.
    pub key: Zeroizing<Vec<u8>>,
    /// When the certificate ends, Unix milliseconds.
    pub not_after_ms: u64,
    /// Serial number, hexadecimal.
    pub serial: String,
}

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// No key pair.
    #[error("cannot make a key pair")]
    KeyPair(#[source] rcgen::Error),
    /// The system's randomness failed.
    #[error("no randomness for a serial number")]
    Random(#[source] getrandom::Error),
    /// A time that X.509 cannot express.
    #[error("{0} ms since 1970 is not a time that a certificate can carry")]
    Time(u64),
    /// A name that X.509 cannot express.
    #[error("name {name:?} cannot stand in a certificate")]
    Name {
        /// The name.
        name: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// The authority's certificate or key is not usable.
    #[error("the authority's certificate or key does not parse")]
    Authority(#[source] rcgen::Error),
    /// The authority's certificate is not X.509.
    #[error("the authority's certificate does not parse")]
    Inspect(#[from] crate::encoding::InspectError),
    /// Signing failed.
    #[error("cannot sign the certificate of {name:?}")]
    Sign {
        /// The common name.
        name: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
}

fn moment(ms: u64) -> Result<OffsetDateTime, IssueError> {
    i64::try_from(ms / 1000)
        .ok()
        .and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok())
        .ok_or(IssueError::Time(ms))
}

/// 128 random bits, positive as RFC 5280 4.1.2.2 wants it.
fn serial() -> Result<[u8; 16], IssueError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(IssueError::Random)?;
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A self-signed authority, valid for `life_ms` from `now_ms`.
///
/// # Errors
/// Where no key can be made or signed with.
pub fn new_authority(common_name: &str, now_ms: u64, life_ms: u64) -> Result<Material, IssueError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(IssueError::KeyPair)?;
    let serial = serial()?;
    let not_after_ms = now_ms.saturating_add(life_ms);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyCertSign,
    ];
    params.not_before = moment(now_ms.saturating_sub(BACKDATE_MS))?;
    params.not_after = moment(not_after_ms)?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let certificate = params
        .self_signed(&key)
        .map_err(|source| IssueError::Sign { name: common_name.to_owned(), source })?;
    Ok(Material {
        certificate: certificate.der().to_vec(),
        key: Zeroizing::new(key.serialize_der()),
        not_after_ms,
        serial: hex(&serial),
    })
}

/// A leaf signed by an authority. It never outlives the authority.
///
/// # Errors
/// Where the authority does not parse or a name cannot stand in a certificate.
pub fn issue(
    ca_certificate: &[u8],
    ca_key: &[u8],
    profile: &LeafProfile,
    now_ms: u64,
    life_ms: u64,
) -> Result<Material, IssueError> {
    let ca_key = KeyPair::try_from(ca_key).map_err(IssueError::Authority)?;
    let ca_end = crate::encoding::inspect(ca_certificate)?.not_after_ms;
    let issuer =
        Issuer::from_ca_cert_der(&ca_certificate.into(), ca_key).map_err(IssueError::Authority)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(IssueError::KeyPair)?;
    let serial = serial()?;
    let not_after_ms = now_ms.saturating_add(life_ms).min(ca_end);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for organization in &profile.organizations {
        params
            .distinguished_name
            .push(DnType::OrganizationName, DnValue::Utf8String(organization.clone()));
    }
    params.distinguished_name.push(DnType::CommonName, profile.common_name.as_str());
    for name in &profile.dns_names {
        let ia5 = name
            .as_str()
            .try_into()
            .map_err(|source| IssueError::Name { name: name.clone(), source })?;
        params.subject_alt_names.push(SanType::DnsName(ia5));
    }
    params.subject_alt_names.extend(profile.ip_addresses.iter().map(|&ip| SanType::IpAddress(ip)));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = match profile.usage {
        Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        Usage::Both => {
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
        }
    };
    params.use_authority_key_identifier_extension = true;
    params.not_before = moment(now_ms.saturating_sub(BACKDATE_MS))?;
    params.not_after = moment(not_after_ms)?;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let certificate = params
        .signed_by(&key, &issuer)
        .map_err(|source| IssueError::Sign { name: profile.common_name.clone(), source })?;
    Ok(Material {
        certificate: certificate.der().to_vec(),
        key: Zeroizing::new(key.serialize_der()),
        not_after_ms,
        serial: hex(&serial),
    })
}

/// A bare key pair: private key (PKCS#8 DER) and public key (SPKI DER).
///
/// # Errors
/// Where no key can be made.
pub fn key_pair() -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), IssueError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(IssueError::KeyPair)?;
    Ok((Zeroizing::new(key.serialize_der()), key.subject_public_key_info()))
}

/// 32 random bytes.
///
/// # Errors
/// Where the system's randomness fails.
pub fn random_secret() -> Result<Zeroizing<[u8; 32]>, IssueError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut()).map_err(IssueError::Random)?;
    Ok(bytes)
}
