//! Who says who a cluster's users are, in the words of Kubernetes' own
//! `AuthenticationConfiguration` (`apiserver.config.k8s.io`, KEP-3331): what of it oi takes.

use crate::v1;
use serde::{Deserialize, Serialize};

/// The apiVersions of files that are read.
const API_VERSIONS: [&str; 2] = ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1"];
const KIND: &str = "AuthenticationConfiguration";

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// Not YAML, or with something that oi does not take.
    #[error("{0}; of an AuthenticationConfiguration, jwt with claims is taken: no expressions")]
    Malformed(#[from] serde_yaml_ng::Error),
    /// Another kind of file.
    #[error("it is {0:?}, not {KIND} of {first}", first = API_VERSIONS[0])]
    Unknown(String),
}

/// JWT authenticators.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AuthenticationSpec {
    /// They.
    pub jwt: Vec<Jwt>,
}

/// A whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    api_version: String,
    kind: String,
    #[serde(default)]
    jwt: Vec<Jwt>,
}

/// One JWT authenticator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Jwt {
    /// Who signs.
    pub issuer: Issuer,
    /// What tokens must claim.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claim_validation_rules: Vec<Rule>,
    /// What claims say of users.
    pub claim_mappings: Mappings,
}

/// Who signs tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Issuer {
    /// As tokens have it in `iss`.
    pub url: String,
    /// Where its discovery document is, if not below `url`.
    #[serde(default, rename = "discoveryURL", skip_serializing_if = "Option::is_none")]
    pub discovery_url: Option<String>,
    /// PEM certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_authority: Option<String>,
    /// A token must be for one of these.
    pub audiences: Vec<String>,
    /// How they are compared: there is one way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience_match_policy: Option<MatchPolicy>,
}

/// How audiences are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchPolicy {
    /// One of them is enough.
    MatchAny,
}

/// A claim that is required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// The claim.
    pub claim: String,
    /// Its value.
    pub required_value: String,
}

/// What claims say of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mappings {
    /// Their name.
    pub username: Mapping,
    /// Their groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Mapping>,
}

/// A claim, and what is put in front of its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mapping {
    /// The claim.
    pub claim: String,
    /// May be empty, but must be said.
    pub prefix: String,
}

/// Reads a file of Kubernetes' form.
///
/// # Errors
/// Where it has what oi does not take: nothing is dropped silently.
pub fn read(text: &str) -> Result<AuthenticationSpec, AuthenticationError> {
    let file: File = serde_yaml_ng::from_str(text)?;
    if !API_VERSIONS.contains(&file.api_version.as_str()) || file.kind != KIND {
        return Err(AuthenticationError::Unknown(format!("{} {}", file.api_version, file.kind)));
    }
    Ok(AuthenticationSpec { jwt: file.jwt })
}

impl From<&Jwt> for v1::Issuer {
    fn from(jwt: &Jwt) -> v1::Issuer {
        let mapping =
            |m: &Mapping| v1::ClaimMapping { claim: m.claim.clone(), prefix: m.prefix.clone() };
        let rule = |rule: &Rule| v1::RequiredClaim {
            claim: rule.claim.clone(),
            value: rule.required_value.clone(),
        };
        v1::Issuer {
            url: jwt.issuer.url.clone(),
            discovery_url: jwt.issuer.discovery_url.clone().unwrap_or_default(),
            certificate_authority: jwt.issuer.certificate_authority.clone().unwrap_or_default(),
            audiences: jwt.issuer.audiences.clone(),
            required_claims: jwt.claim_validation_rules.iter().map(rule).collect(),
            username: Some(mapping(&jwt.claim_mappings.username)),
            groups: jwt.claim_mappings.groups.as_ref().map(mapping),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const FILE: &str = "apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer:
    url: https://id.example.org
    audiences: [kubernetes, other]
    audienceMatchPolicy: MatchAny
  claimValidationRules:
  - claim: team
    requiredValue: a
  claimMappings:
    username: {claim: sub, prefix: 'oidc:'}
    groups: {claim: groups, prefix: ''}
";

    #[test]
    fn a_file_of_kubernetes_own_form_is_read() {
        let spec = read(FILE).unwrap();
        let issuer = v1::Issuer::from(&spec.jwt[0]);
        assert_eq!(issuer.required_claims[0].value, "a");
        assert_eq!(issuer.audiences, ["kubernetes", "other"]);
        assert_eq!(issuer.username.unwrap().prefix, "oidc:");
        assert_eq!(issuer.groups.unwrap().prefix, "");
    }

    #[test]
    fn what_is_not_taken_is_refused_and_not_dropped() {
        let expression = FILE.replace("claim: sub, prefix: 'oidc:'", "expression: claims.sub");
        assert!(read(&expression).unwrap_err().to_string().contains("no expressions"));
        let anonymous = format!("{FILE}anonymous: {{enabled: false}}\n");
        assert!(read(&anonymous).unwrap_err().to_string().contains("anonymous"));
        assert!(read(&FILE.replace("kind: Auth", "kind: X")).is_err());
        assert!(read(&FILE.replace(", prefix: ''", "")).is_err(), "a prefix must be said");
    }
}
