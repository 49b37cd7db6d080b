//! Records of a cluster's endpoint.

use crate::command::Command;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::ids::{ClusterName, Generation};
use crate::records;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Where clients are told to reach a cluster's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// A DNS name, or an IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Something of the users' own leads from there to the ingresses. Otherwise each machine
    /// with an ingress of the cluster listens on that port, and passes TLS through by the name
    /// that is asked for: other clusters may share it.
    pub forwarded: bool,
}

/// `host:port`, as in a URL: with brackets around IPv6 addresses.
impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.parse() {
            Ok(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Asks that a cluster's API be reached under a name or address of its own, or at its oldest
/// ingress again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetEndpointV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Where; none for the oldest ingress.
    pub endpoint: Option<Endpoint>,
}

/// Asks that the certificates of a cluster's API servers have these further names and no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetExtraSansV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Names or addresses; empty for none.
    pub extra_sans: Vec<String>,
}

/// Clients are told to reach a cluster's API there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSetV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The generation of its ingresses, which lead there.
    pub generation: Generation,
    /// Where; none for the oldest ingress.
    pub endpoint: Option<Endpoint>,
}

/// The certificates of a cluster's API servers have these further names and no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraSansSetV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Names or addresses; empty for none.
    pub extra_sans: Vec<String>,
}

records! {
    /// Requests about a cluster's endpoint.
    EndpointCommand in Command::Endpoint, CommandFacts {
        SetEndpoint(c) = 33 [; 1 => SetEndpointV1] {
            about: About::cluster(&c.cluster),
            level: 3,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::Standing,
        },
        SetExtraSans(c) = 60 [; 1 => SetExtraSansV1] {
            about: About::cluster(&c.cluster),
            level: 4,
            asked_by: AskedBy::Operator,
            adds_work: false,
            keys: Keys::Standing,
        },
    }
}

records! {
    /// Facts about a cluster's endpoint.
    EndpointEvent in Event::Endpoint, EventFacts<'_> {
        EndpointSet(e) = 151 [; 1 => EndpointSetV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Addons,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        ExtraSansSet(e) = 180 [; 1 => ExtraSansSetV1] {
            about: About::cluster(&e.cluster),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
    }
}
