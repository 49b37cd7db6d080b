//! Flags that say how a cluster is reached, and who says who its users are.

use crate::error::Failure;
use clap::Args;
use oi_proto::authentication::{self, AuthenticationSpec, Issuer, Jwt, Mapping, Mappings, Rule};
use oi_proto::manifest::{ENDPOINT_PORT, EndpointSpec};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

/// `HOST`, `HOST:PORT`, or `[ADDRESS]:PORT` for IPv6; without a port it is 6443.
pub fn parse_endpoint(text: &str) -> Result<EndpointSpec, String> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("{text:?} is no port: write HOST or HOST:PORT, for example api.test:443")),
    };
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let (host, port) = match text.rsplit_once(':') {
        _ if text.parse::<Ipv6Addr>().is_ok() || text.ends_with(']') => (text, ENDPOINT_PORT),
        Some((host, text)) => (host, port(text)?),
        None => (text, ENDPOINT_PORT),
    };
    if host.is_empty() {
        return Err("it names no host: write HOST or HOST:PORT".to_owned());
    }
    Ok(EndpointSpec { host: bare(host), port, forwarded: false })
}

/// Where clients are told to reach a cluster.
#[derive(Args)]
pub struct EndpointFlags {
    /// Where clients are told to reach its API: a name or address, with 6443 or another port.
    /// Machines with its ingresses listen there too, and pass TLS through by that name, so that
    /// clusters can share a port.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = parse_endpoint)]
    pub endpoint: Option<EndpointSpec>,
    /// Something of yours leads from there to the ingresses: they open no further port.
    #[arg(long, requires = "endpoint")]
    pub endpoint_forwarded: bool,
}

impl EndpointFlags {
    /// What they say.
    pub fn spec(&self) -> Option<EndpointSpec> {
        let endpoint = self.endpoint.clone()?;
        Some(EndpointSpec { forwarded: self.endpoint_forwarded, ..endpoint })
    }
}

/// Who says who a cluster's users are: one OpenID Connect provider, under kube-apiserver's own
/// flags, or a file for more.
#[derive(Args)]
pub struct AuthenticationFlags {
    /// Kubernetes' own AuthenticationConfiguration: its jwt section.
    #[arg(long, value_name = "FILE", conflicts_with = "oidc_issuer_url")]
    pub authentication_config: Option<PathBuf>,
    /// An OpenID Connect provider whose users may come: https://…
    #[arg(long, value_name = "URL", requires = "oidc_client_id")]
    pub oidc_issuer_url: Option<String>,
    /// For whom its tokens must be (aud).
    #[arg(long, value_name = "ID", requires = "oidc_issuer_url")]
    pub oidc_client_id: Option<String>,
    /// Which claim is a user's name.
    #[arg(long, value_name = "CLAIM", default_value = "sub", requires = "oidc_issuer_url")]
    pub oidc_username_claim: String,
    /// What is put in front of it; - for nothing. Where it is not said: URL# of the provider,
    /// or nothing before an email address.
    #[arg(long, value_name = "PREFIX", requires = "oidc_issuer_url")]
    pub oidc_username_prefix: Option<String>,
    /// Which claim names a user's groups.
    #[arg(long, value_name = "CLAIM", requires = "oidc_issuer_url")]
    pub oidc_groups_claim: Option<String>,
    /// What is put in front of those.
    #[arg(long, value_name = "PREFIX", default_value = "", requires = "oidc_groups_claim")]
    pub oidc_groups_prefix: String,
    /// A claim that a token must have; may be given several times.
    #[arg(long, value_name = "CLAIM=VALUE", requires = "oidc_issuer_url", value_parser = parse_claim)]
    pub oidc_required_claim: Vec<(String, String)>,
    /// The authorities by which the provider is trusted, PEM.
    #[arg(long, value_name = "FILE", requires = "oidc_issuer_url")]
    pub oidc_ca_file: Option<PathBuf>,
}

fn parse_claim(text: &str) -> Result<(String, String), String> {
    let split = text.split_once('=').filter(|(claim, _)| !claim.is_empty());
    let (claim, value) = split.ok_or_else(|| format!("{text:?}: write CLAIM=VALUE"))?;
    Ok((claim.to_owned(), value.to_owned()))
}

fn read(path: &Path) -> Result<String, Failure> {
    let io = |source| Failure::Io { what: path.display().to_string(), source };
    std::fs::read_to_string(path).map_err(io)
}

impl AuthenticationFlags {
    /// What they say; none where they say nothing.
    pub fn spec(&self) -> Result<Option<AuthenticationSpec>, Failure> {
        if let Some(path) = &self.authentication_config {
            let refused = |e| Failure::Input(format!("{}: {e}", path.display()));
            return authentication::read(&read(path)?).map(Some).map_err(refused);
        }
        let (Some(url), Some(audience)) = (&self.oidc_issuer_url, &self.oidc_client_id) else {
            return Ok(None);
        };
        let claim = &self.oidc_username_claim;
        let prefix = match self.oidc_username_prefix.as_deref() {
            Some("-") => String::new(),
            Some(prefix) => prefix.to_owned(),
            None if claim == "email" => String::new(),
            None => format!("{url}#"),
        };
        let rule = |(claim, value): &(String, String)| Rule {
            claim: claim.clone(),
            required_value: value.clone(),
        };
        let groups = self
            .oidc_groups_claim
            .as_ref()
            .map(|claim| Mapping { claim: claim.clone(), prefix: self.oidc_groups_prefix.clone() });
        let jwt = Jwt {
            issuer: Issuer {
                url: url.clone(),
                discovery_url: None,
                certificate_authority: self.oidc_ca_file.as_deref().map(read).transpose()?,
                audiences: vec![audience.clone()],
                audience_match_policy: None,
            },
            claim_validation_rules: self.oidc_required_claim.iter().map(rule).collect(),
            claim_mappings: Mappings { username: Mapping { claim: claim.clone(), prefix }, groups },
        };
        Ok(Some(AuthenticationSpec { jwt: vec![jwt] }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_with_or_without_a_port() {
        let read = |text| parse_endpoint(text).map(|e| (e.host, e.port));
        assert_eq!(read("api.test"), Ok(("api.test".to_owned(), 6443)));
        assert_eq!(read("10.0.0.1:443"), Ok(("10.0.0.1".to_owned(), 443)));
        assert_eq!(read("[fd00::1]:443"), Ok(("fd00::1".to_owned(), 443)));
        assert_eq!(read("fd00::1"), Ok(("fd00::1".to_owned(), 6443)));
        assert_eq!(read("[fd00::1]"), Ok(("fd00::1".to_owned(), 6443)));
        for wrong in ["api.test:", "api.test:0", "api.test:x", ":443", "a:70000"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
