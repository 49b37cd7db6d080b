//! Making authorities, leaves and key pairs.

use crate::encoding::{InspectError, inspect};
use crate::profile::{LeafProfile, Usage};
use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
use rcgen::KeyUsagePurpose::{DigitalSignature, KeyCertSign, KeyEncipherment};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use std::collections::BTreeSet;
use std::fmt;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// Certificates start a little in the past: clocks differ.
const BACKDATE_MS: u64 = 5 * 60 * 1000;

/// A certificate with its private key. `Debug` does not show the key.
#[derive(Clone)]
pub struct Material {
    /// X.509 certificate, DER.
    pub certificate: Vec<u8>,
    /// Private key, PKCS#8 DER.
    pub key: Zeroizing<Vec<u8>>,
    /// When the certificate ends, Unix milliseconds.
    pub not_after_ms: u64,
    /// Serial number, hexadecimal.
    pub serial_hex: String,
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Material({}, …)", self.serial_hex)
    }
}

/// Why no certificate or key pair was made.
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
        source: rcgen::Error,
    },
    /// A user can have one group in a certificate here.
    #[error("{name:?} has {count} organizations: a certificate made here carries one at most")]
    Organizations {
        /// The common name.
        name: String,
        /// How many.
        count: usize,
    },
    /// The authority's certificate is not one.
    #[error("the authority's certificate does not parse")]
    Ca(#[source] InspectError),
    /// The given certificate is a leaf.
    #[error("certificate {0:?} is not an authority's")]
    NotACa(String),
    /// The authority ended.
    #[error("authority {name:?} ended at {ended_ms} ms since 1970")]
    Ended {
        /// Its common name.
        name: String,
        /// Its end.
        ended_ms: u64,
    },
    /// The authority's key is not one.
    #[error("the authority's key does not parse")]
    AuthorityKey(#[source] rcgen::Error),
    /// Certificate and key of the authority are of different key pairs.
    #[error("the key of authority {0:?} does not belong to its certificate")]
    Mismatch(String),
    /// The authority's certificate cannot be an issuer.
    #[error("the authority's certificate is not usable as an issuer")]
    Issuer(#[source] rcgen::Error),
    /// Signing failed.
    #[error("cannot sign the certificate of {name:?}")]
    Sign {
        /// The common name.
        name: String,
        /// Why.
        source: rcgen::Error,
    },
    /// What was signed cannot be read back.
    #[error("the new certificate does not parse")]
    Result(#[source] InspectError),
}

fn generate() -> Result<Zeroizing<KeyPair>, IssueError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(Zeroizing::new).map_err(IssueError::KeyPair)
}

fn moment(ms: u64) -> Result<OffsetDateTime, IssueError> {
    let seconds = i64::try_from(ms / 1000).map_err(|_| IssueError::Time(ms))?;
    OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| IssueError::Time(ms))
}

/// 128 bits, random but for the first two: positive (RFC 5280 4.1.2.2), never short.
fn serial() -> Result<SerialNumber, IssueError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(IssueError::Random)?;
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// What authorities and leaves have in common.
fn parameters<'a>(
    common_name: &str,
    organization: Option<&str>,
    dns_names: impl IntoIterator<Item = &'a str>,
    (not_before_ms, not_after_ms): (u64, u64),
) -> Result<CertificateParams, IssueError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(organization) = organization {
        params.distinguished_name.push(DnType::OrganizationName, organization);
    }
    params.distinguished_name.push(DnType::CommonName, common_name);
    for name in dns_names.into_iter().collect::<BTreeSet<_>>() {
        let invalid = |source| IssueError::Name { name: name.to_owned(), source };
        params.subject_alt_names.push(SanType::DnsName(name.try_into().map_err(invalid)?));
    }
    params.key_usages = vec![DigitalSignature, KeyEncipherment];
    params.not_before = moment(not_before_ms)?;
    params.not_after = moment(not_after_ms)?;
    params.serial_number = Some(serial()?);
    Ok(params)
}

fn material(
    common_name: &str,
    signed: Result<Certificate, rcgen::Error>,
    key: &KeyPair,
) -> Result<Material, IssueError> {
    let sign = |source| IssueError::Sign { name: common_name.to_owned(), source };
    let certificate = signed.map_err(sign)?.der().to_vec();
    let info = inspect(&certificate).map_err(IssueError::Result)?;
    Ok(Material {
        certificate,
        key: Zeroizing::new(key.serialize_der()),
        not_after_ms: info.not_after_ms,
        serial_hex: info.serial_hex,
    })
}

/// A self-signed authority as kubeadm makes them (its common name is also its DNS
/// name), valid from five minutes before `now_ms` until `life_ms` after it.
///
/// # Errors
/// Where no key can be made, or the name or the end cannot stand in a certificate.
pub fn new_ca(common_name: &str, now_ms: u64, life_ms: u64) -> Result<Material, IssueError> {
    let key = generate()?;
    let period = (now_ms.saturating_sub(BACKDATE_MS), now_ms.saturating_add(life_ms));
    let mut params = parameters(common_name, None, [common_name], period)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages.push(KeyCertSign);
    material(common_name, params.self_signed(&*key), &key)
}

/// A leaf with a new key, signed by an authority, valid from five minutes before
/// `now_ms` until `life_ms` after it, but never outside the authority's own period.
///
/// # Errors
/// Where the authority's certificate and key are not a pair in force, or a name or
/// the end cannot stand in a certificate.
pub fn issue(
    ca_certificate_der: &[u8],
    ca_key_pkcs8: &[u8],
    profile: &LeafProfile,
    now_ms: u64,
    life_ms: u64,
) -> Result<Material, IssueError> {
    // rcgen keeps one value of a kind in a name, and would drop the others silently.
    let organization = match profile.organizations.as_slice() {
        [] => None,
        [one] => Some(one.as_str()),
        more => {
            let name = profile.common_name.clone();
            return Err(IssueError::Organizations { name, count: more.len() });
        }
    };
    let ca = inspect(ca_certificate_der).map_err(IssueError::Ca)?;
    if !ca.is_ca {
        return Err(IssueError::NotACa(ca.common_name));
    }
    if ca.not_after_ms <= now_ms {
        return Err(IssueError::Ended { name: ca.common_name, ended_ms: ca.not_after_ms });
    }
    let ca_key = KeyPair::try_from(ca_key_pkcs8).map_err(IssueError::AuthorityKey)?;
    let ca_key = Zeroizing::new(ca_key);
    if ca_key.subject_public_key_info() != ca.public_key {
        return Err(IssueError::Mismatch(ca.common_name));
    }
    let issuer = Issuer::from_ca_cert_der(&ca_certificate_der.into(), &*ca_key)
        .map_err(IssueError::Issuer)?;

    let key = generate()?;
    let not_before_ms = now_ms.saturating_sub(BACKDATE_MS).max(ca.not_before_ms);
    let not_after_ms = now_ms.saturating_add(life_ms).min(ca.not_after_ms);
    let dns_names = profile.dns_names.iter().map(String::as_str);
    let period = (not_before_ms, not_after_ms);
    let mut params = parameters(&profile.common_name, organization, dns_names, period)?;
    let addresses = profile.ip_addresses.iter().copied().collect::<BTreeSet<_>>();
    params.subject_alt_names.extend(addresses.into_iter().map(SanType::IpAddress));
    params.is_ca = IsCa::ExplicitNoCa;
    params.extended_key_usages = match profile.usage {
        Usage::Server => vec![ServerAuth],
        Usage::Client => vec![ClientAuth],
        Usage::Peer => vec![ServerAuth, ClientAuth],
    };
    params.use_authority_key_identifier_extension = true;
    material(&profile.common_name, params.signed_by(&*key, &issuer), &key)
}

/// A bare key pair: private key (PKCS#8 DER) and public key (SPKI DER).
///
/// # Errors
/// Where no key can be made.
pub fn key_pair() -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), IssueError> {
    let key = generate()?;
    Ok((Zeroizing::new(key.serialize_der()), key.subject_public_key_info()))
}
