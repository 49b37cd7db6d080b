//! A cluster's external users, between requests, the state and answers.

use super::{IntoCommand, count, parse};
use crate::rejected::Rejected;
use oi_domain::{Cluster, Node};
use oi_events::{
    AuthenticationCommand, ClaimMapping, Command, Component, Issuer, SetAuthenticationV1,
};
use oi_pki::{certificate_pem, read_certificates};
use oi_proto::v1;

impl IntoCommand for v1::SetAuthentication {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(SetAuthenticationV1 {
            cluster: parse("cluster", &self.cluster)?,
            issuers: self.issuers.into_iter().map(issuer).collect::<Result<_, _>>()?,
        }
        .into())
    }
}

/// Who says who its users are, and how many API servers do not know of it yet.
pub fn state(c: &Cluster) -> Option<v1::Authentication> {
    let behind = |n: &Node| n.issuers != c.issuers || !n.is_ready();
    let behind = c.carriers(Component::ApiServer).into_iter().filter(|(_, n)| behind(n)).count();
    (!c.issuers.is_empty() || c.pending_rollout().next().is_some()).then(|| v1::Authentication {
        issuers: c.issuers.iter().map(shown).collect(),
        servers_behind: count(behind),
    })
}

fn mapping(m: v1::ClaimMapping) -> ClaimMapping {
    ClaimMapping { claim: m.claim, prefix: m.prefix }
}

fn certificates(pem: &str) -> Result<Vec<Vec<u8>>, Rejected> {
    read_certificates(pem).map_err(|e| Rejected::field("certificate_authority", e))
}

/// Reads one. Its certificates are looked at here, and written anew: an API server that cannot
/// read them does not start.
pub fn issuer(asked: v1::Issuer) -> Result<Issuer, Rejected> {
    let given = |text: String| Some(text).filter(|t| !t.is_empty());
    let anew = |pem: String| -> Result<String, Rejected> {
        Ok(certificates(&pem)?.iter().map(|der| certificate_pem(der)).collect())
    };
    let certificate_authority = given(asked.certificate_authority).map(anew).transpose()?;
    let username = asked.username.ok_or_else(|| Rejected::field("username", "is absent"))?;
    Ok(Issuer {
        url: asked.url,
        discovery_url: given(asked.discovery_url),
        certificate_authority,
        audiences: asked.audiences,
        required_claims: asked.required_claims.into_iter().map(|c| (c.claim, c.value)).collect(),
        username: mapping(username),
        groups: asked.groups.map(mapping),
    })
}

/// The same for a command that came as a record.
pub fn check(command: &Command) -> Result<(), Rejected> {
    let Command::Authentication(AuthenticationCommand::SetAuthentication(c)) = command else {
        return Ok(());
    };
    for pem in c.issuers.iter().filter_map(|i| i.certificate_authority.as_ref()) {
        certificates(pem)?;
    }
    Ok(())
}

/// As a message.
pub fn shown(issuer: &Issuer) -> v1::Issuer {
    let mapping =
        |m: &ClaimMapping| v1::ClaimMapping { claim: m.claim.clone(), prefix: m.prefix.clone() };
    let required = |(claim, value): &(String, String)| v1::RequiredClaim {
        claim: claim.clone(),
        value: value.clone(),
    };
    v1::Issuer {
        url: issuer.url.clone(),
        discovery_url: issuer.discovery_url.clone().unwrap_or_default(),
        certificate_authority: issuer.certificate_authority.clone().unwrap_or_default(),
        audiences: issuer.audiences.clone(),
        required_claims: issuer.required_claims.iter().map(required).collect(),
        username: Some(mapping(&issuer.username)),
        groups: issuer.groups.as_ref().map(mapping),
    }
}
