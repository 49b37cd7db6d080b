//! `oi cluster authentication`, and the flags for a new cluster.

use crate::client::Client;
use crate::error::Failure;
use crate::output::Output;
use crate::wait::{self, Wait};
use clap::Args;
use oi_proto::authentication::{self, AuthenticationSpec, Issuer, Jwt, Mapping, Mappings, Rule};
use oi_proto::v1;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Who says who a cluster's users are: one OpenID Connect provider, under kube-apiserver's own
/// flags, or a file for more.
#[derive(Args)]
pub struct AuthenticationFlags {
    /// Kubernetes' own AuthenticationConfiguration: its jwt section.
    #[arg(long, value_name = "FILE", conflicts_with = "oidc_issuer_url")]
    authentication_config: Option<PathBuf>,
    /// An OpenID Connect provider whose users may come: https://…
    #[arg(long, value_name = "URL", requires = "oidc_client_id")]
    oidc_issuer_url: Option<String>,
    /// For whom its tokens must be (aud).
    #[arg(long, value_name = "ID", requires = "oidc_issuer_url")]
    oidc_client_id: Option<String>,
    /// Which claim is a user's name.
    #[arg(long, value_name = "CLAIM", default_value = "sub", requires = "oidc_issuer_url")]
    oidc_username_claim: String,
    /// What is put in front of it; - for nothing. Where it is not said: URL# of the provider,
    /// or nothing before an email address.
    #[arg(long, value_name = "PREFIX", requires = "oidc_issuer_url")]
    oidc_username_prefix: Option<String>,
    /// Which claim names a user's groups.
    #[arg(long, value_name = "CLAIM", requires = "oidc_issuer_url")]
    oidc_groups_claim: Option<String>,
    /// What is put in front of those.
    #[arg(long, value_name = "PREFIX", default_value = "", requires = "oidc_groups_claim")]
    oidc_groups_prefix: String,
    /// A claim that a token must have; may be given several times.
    #[arg(long, value_name = "CLAIM=VALUE", requires = "oidc_issuer_url", value_parser = parse_claim)]
    oidc_required_claim: Vec<(String, String)>,
    /// The authorities by which the provider is trusted, PEM.
    #[arg(long, value_name = "FILE", requires = "oidc_issuer_url")]
    oidc_ca_file: Option<PathBuf>,
}

fn parse_claim(text: &str) -> Result<(String, String), String> {
    let split = text.split_once('=').filter(|(claim, _)| !claim.is_empty());
    let (claim, value) = split.ok_or_else(|| format!("{text:?}: write CLAIM=VALUE"))?;
    Ok((claim.to_owned(), value.to_owned()))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(Failure::file(path))
}

impl AuthenticationFlags {
    /// What they say; none where they say nothing.
    pub fn spec(&self) -> Result<Option<AuthenticationSpec>, Failure> {
        if let Some(path) = &self.authentication_config {
            let refused = |e| Failure::Input(format!("{}: {e}", path.display()));
            let bytes = std::fs::read(path).map_err(Failure::file(path))?;
            let what = path.display().to_string();
            let text = oi_yaml::text(&bytes).map_err(|source| Failure::Text { what, source })?;
            return authentication::read(&text).map(Some).map_err(refused);
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

/// Who says who a cluster's users are, beside itself: OpenID Connect providers. With one, or
/// a file of more: let it be those and no others.
#[derive(Args)]
#[command(mut_arg("wait", |a| a.help("Return when all API servers know of it")))]
pub struct Authentication {
    /// Its name.
    name: String,
    #[command(flatten)]
    flags: AuthenticationFlags,
    /// Nobody beside itself.
    #[arg(long)]
    clear: bool,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    output: Output,
}

impl Authentication {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let wanted = match self.flags.spec()? {
            Some(_) if self.clear => {
                let both = "--clear forgets all issuers: give none with it".to_owned();
                return Err(Failure::Input(both));
            }
            None if !self.clear => {
                return self.output.list(rows(&client.cluster(&self.name).await?));
            }
            wanted => wanted.unwrap_or_default(),
        };
        let issuers = wanted.jwt.iter().map(v1::Issuer::from).collect();
        client.submit(v1::SetAuthentication { cluster: self.name.clone(), issuers }).await?;
        let done = |c: &v1::Cluster, _: &[v1::Node]| {
            c.authentication.as_ref().is_none_or(|a| a.servers_behind == 0)
        };
        wait::for_cluster(client, &self.name, self.wait.limit(), done).await
    }
}

/// A row for each issuer.
fn rows(c: &v1::Cluster) -> Vec<Value> {
    let Some(authentication) = &c.authentication else { return Vec::new() };
    let mapped = |m: Option<&v1::ClaimMapping>| {
        m.map(|m| format!("{}{}", m.prefix, m.claim)).unwrap_or_default()
    };
    let row = |i: &v1::Issuer| {
        let required = i.required_claims.iter().map(|r| format!("{}={}", r.claim, r.value));
        json!({
            "issuer": i.url, "audiences": i.audiences.join(","),
            "username": mapped(i.username.as_ref()), "groups": mapped(i.groups.as_ref()),
            "required": required.collect::<Vec<_>>().join(","),
            "discovery": i.discovery_url, "ownAuthority": !i.certificate_authority.is_empty(),
            "serversBehind": authentication.servers_behind,
        })
    };
    authentication.issuers.iter().map(row).collect()
}
