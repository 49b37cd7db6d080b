//! Decisions about a cluster's external users.

use crate::guards::staying;
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{AuthenticationCommand, AuthenticationSetV1, Event, SetAuthenticationV1};
use oi_events::{ClaimMapping, Issuer, Limit};
use std::collections::BTreeSet;

/// Decides a command.
pub(crate) fn decide(
    state: &State,
    command: &AuthenticationCommand,
) -> Result<Vec<Event>, Rejection> {
    match command {
        AuthenticationCommand::SetAuthentication(c) => set(state, c),
    }
}

fn set(state: &State, c: &SetAuthenticationV1) -> Result<Vec<Event>, Rejection> {
    let cluster = staying(state, &c.cluster)?;
    if *cluster.issuers == c.issuers {
        return Ok(Vec::new());
    }
    if c.issuers.len() > Limit::Issuers.bound() {
        let count = c.issuers.len().to_string();
        return Err(invalid("number of issuers", &count, Limit::Issuers.problem()));
    }
    let own = own_issuer(&cluster.spec.dns_domain);
    let mut urls = BTreeSet::new();
    for issuer in &c.issuers {
        check(issuer, &own)?;
        let urls_of = [Some(&issuer.url), issuer.discovery_url.as_ref()];
        for url in urls_of.into_iter().flatten() {
            if !urls.insert(url) {
                return Err(invalid("issuer", url, "it is there twice: give each URL once"));
            }
        }
    }
    let (name, issuers) = (c.cluster.clone(), c.issuers.clone());
    Ok(vec![AuthenticationSetV1 { cluster: name, issuers }.into()])
}

/// What a cluster itself is called in its service accounts' tokens.
pub fn own_issuer(dns_domain: &str) -> String {
    format!("https://kubernetes.default.svc.{dns_domain}")
}

fn invalid(field: &'static str, value: &str, problem: &str) -> Rejection {
    Rejection::Invalid { field, value: value.to_owned(), problem: problem.to_owned() }
}

fn check(issuer: &Issuer, own: &str) -> Result<(), Rejection> {
    check_url("issuer", &issuer.url)?;
    if issuer.url == own {
        return Err(invalid("issuer", own, "it is the cluster's own, for its service accounts"));
    }
    if let Some(url) = &issuer.discovery_url {
        check_url("discovery URL", url)?;
        if url.trim_end_matches('/') == issuer.url.trim_end_matches('/') {
            return Err(invalid("discovery URL", url, "it is the issuer's URL: leave it out"));
        }
    }
    if let Some(pem) = &issuer.certificate_authority
        && !is_certificates(pem)
    {
        let about = format!("{} characters", pem.len());
        let problem = "give certificates as PEM, and nothing else";
        return Err(invalid("certificate authority", &about, problem));
    }
    if !(1..=Limit::Audiences.bound()).contains(&issuer.audiences.len()) {
        return Err(invalid("audiences of issuer", &issuer.url, Limit::Audiences.problem()));
    }
    let mut seen = BTreeSet::new();
    for audience in &issuer.audiences {
        check_text("audience", audience)?;
        if !seen.insert(audience) {
            return Err(invalid("audience", audience, "it is there twice"));
        }
    }
    if issuer.required_claims.len() > Limit::RequiredClaims.bound() {
        let problem = Limit::RequiredClaims.problem();
        return Err(invalid("required claims of issuer", &issuer.url, problem));
    }
    let mut seen = BTreeSet::new();
    for (claim, value) in &issuer.required_claims {
        check_text("required claim", claim)?;
        check_text("value of a required claim", value)?;
        if !seen.insert(claim) {
            return Err(invalid("required claim", claim, "it is there twice"));
        }
    }
    check_mapping("username claim", &issuer.username)?;
    issuer.groups.as_ref().map_or(Ok(()), |groups| check_mapping("groups claim", groups))
}

/// Whether a text is certificates as PEM (RFC 7468) and nothing else: no key, for example.
fn is_certificates(pem: &str) -> bool {
    let base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let mut addons = false;
    for line in pem.lines() {
        match (addons, line) {
            (false, "-----BEGIN CERTIFICATE-----") => addons = true,
            (true, "-----END CERTIFICATE-----") => addons = false,
            (true, line) if line.chars().all(base64) => {}
            _ => return false,
        }
    }
    !addons && !pem.is_empty()
}

fn check_mapping(field: &'static str, mapping: &ClaimMapping) -> Result<(), Rejection> {
    check_text(field, &mapping.claim)?;
    let prefix = &mapping.prefix;
    if prefix.len() > Limit::Prefix.bound() || prefix.chars().any(char::is_control) {
        return Err(invalid("prefix", prefix, Limit::Prefix.problem()));
    }
    if prefix.starts_with("system:") {
        return Err(invalid("prefix", prefix, "names in system: are Kubernetes' own"));
    }
    Ok(())
}

fn check_text(field: &'static str, text: &str) -> Result<(), Rejection> {
    let fits = (1..=Limit::ClaimText.bound()).contains(&text.len());
    if !fits || text.chars().any(char::is_control) {
        return Err(invalid(field, text, Limit::ClaimText.problem()));
    }
    Ok(())
}

/// `https://host…`, as OpenID Connect Discovery 1.0 (section 2) has issuers.
fn check_url(field: &'static str, url: &str) -> Result<(), Rejection> {
    // Where Go's reader of URLs is stricter than others.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]".contains(c);
    let rest = url.strip_prefix("https://").filter(|rest| !rest.starts_with('/'));
    if url.len() > Limit::Url.bound() || rest.is_none() || !url.chars().all(plain) {
        return Err(invalid(field, url, Limit::Url.problem()));
    }
    match url::Url::parse(url) {
        Ok(parsed) if parsed.has_host() && parsed.port() != Some(0) => Ok(()),
        _ => Err(invalid(field, url, "it names no host, or no port that can be")),
    }
}
