//! Records of a cluster's external users.

use crate::command::Command;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::ids::{ClusterName, Generation, NodeName};
use crate::records;
use serde::{Deserialize, Serialize};

/// Who else than the cluster itself says who its users are: a JWT authenticator of the API
/// server's AuthenticationConfiguration (KEP-3331), for example an OpenID Connect provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// Its URL, as tokens have it in `iss`.
    pub url: String,
    /// Where its discovery document is, if not below `url`.
    pub discovery_url: Option<String>,
    /// PEM certificates by which it is trusted; none for the API server's own.
    pub certificate_authority: Option<String>,
    /// A token must be for one of these (`aud`).
    pub audiences: Vec<String>,
    /// Claims that a token must have, with their values.
    pub required_claims: Vec<(String, String)>,
    /// Which claim is the user's name.
    pub username: ClaimMapping,
    /// Which claim names the user's groups.
    pub groups: Option<ClaimMapping>,
}

/// A claim that becomes the name of a user or group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimMapping {
    /// The claim.
    pub claim: String,
    /// What is put in front of its value, may be empty.
    pub prefix: String,
}

/// Asks that these and no others say who a cluster's users are, beside the cluster itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAuthenticationV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// They; empty for none.
    pub issuers: Vec<Issuer>,
}

/// These and no others are to say who a cluster's users are, beside the cluster itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationSetV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// They; empty for none.
    pub issuers: Vec<Issuer>,
}

/// A node's API server starts anew with those that say who users are, as of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationRolledOutV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// Its new generation.
    pub generation: Generation,
}

records! {
    /// Requests about a cluster's external users.
    AuthenticationCommand in Command::Authentication, CommandFacts {
        SetAuthentication(c) = 34 [; 1 => SetAuthenticationV1] {
            about: About::cluster(&c.cluster),
            level: 3,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::None,
        },
    }
}

records! {
    /// Facts about a cluster's external users.
    AuthenticationEvent in Event::Authentication, EventFacts<'_> {
        AuthenticationSet(e) = 152 [; 1 => AuthenticationSetV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        AuthenticationRolledOut(e) = 154 [; 1 => AuthenticationRolledOutV1] {
            about: About::node(&e.cluster, &e.node),
            effect: Effect::Nothing,
            restarts: Restarts::Container,
            credentials: &[],
        },
    }
}
