//! What there is, compared with what commands would make.

use crate::client::Client;
use crate::error::Failure;
use crate::node;
use oi_proto::v1::{self, submit_request::Command};
use std::collections::{BTreeMap, BTreeSet};

/// What there is, by name.
pub struct Known {
    hypervisors: BTreeMap<String, v1::Hypervisor>,
    clusters: BTreeMap<String, v1::Cluster>,
    /// By cluster and name.
    nodes: BTreeMap<(String, String), v1::Node>,
}

impl Known {
    /// Asks for all of it.
    ///
    /// # Errors
    /// Where the server is away.
    pub async fn load(client: &Client) -> Result<Known, Failure> {
        let hypervisors = client.hypervisors().await?;
        Ok(Known::new(hypervisors, client.clusters("").await?, client.nodes("").await?))
    }

    fn new(
        hypervisors: Vec<v1::Hypervisor>,
        clusters: Vec<v1::Cluster>,
        nodes: Vec<v1::Node>,
    ) -> Known {
        let hypervisors = hypervisors.into_iter();
        let named = hypervisors.filter_map(|h| Some((h.spec.as_ref()?.name.clone(), h)));
        Known {
            hypervisors: named.collect(),
            clusters: clusters.into_iter().map(|c| (c.name.clone(), c)).collect(),
            nodes: nodes.into_iter().map(|n| ((n.cluster.clone(), n.name.clone()), n)).collect(),
        }
    }

    /// Whether what a command makes is there already.
    ///
    /// # Errors
    /// Where something else is there, which the command cannot change.
    pub fn has(&self, command: &Command) -> Result<bool, Failure> {
        let cluster = |name: &str| self.clusters.get(name);
        match command {
            Command::RegisterHypervisor(want) => {
                let have = self.hypervisors.get(&want.name).and_then(|h| h.spec.as_ref());
                is_same(&format!("hypervisor {}", want.name), have, want)
            }
            Command::CreateCluster(want) => {
                let have = cluster(&want.name).map(|c| c.spec.clone().unwrap_or_default());
                let spec = want.spec.clone().unwrap_or_default();
                is_same(&format!("cluster {}", want.name), have.as_ref(), &spec)
            }
            Command::AddNode(want) => self.has_node(want),
            Command::SharePorts(want) => {
                let have = self.hypervisors.get(&want.name);
                Ok(have.is_some_and(|h| h.shared_ports == want.ports))
            }
            Command::SetAddons(want) => {
                Ok(cluster(&want.cluster).is_some_and(|c| c.addons == want.addons))
            }
            Command::EnableTunnel(want) => {
                let tunnel = cluster(&want.cluster).and_then(|c| c.tunnel.as_ref());
                Ok(tunnel.is_some_and(|tunnel| tunnel.cidr == want.cidr))
            }
            Command::SetEndpoint(want) => {
                Ok(cluster(&want.cluster).is_some_and(|c| c.own_endpoint == want.endpoint))
            }
            Command::SetAuthentication(want) => {
                let have = cluster(&want.cluster).and_then(|c| c.authentication.as_ref());
                let have = have.map(|a| a.issuers.as_slice()).unwrap_or_default();
                let there = self.clusters.contains_key(&want.cluster);
                Ok(there && comparable(have) == comparable(&want.issuers))
            }
            // No manifest declares others.
            _ => Ok(false),
        }
    }

    /// A node that is to be anywhere may be where it is.
    fn has_node(&self, want: &v1::AddNode) -> Result<bool, Failure> {
        let Some(have) = self.nodes.get(&(want.cluster.clone(), want.name.clone())) else {
            return Ok(false);
        };
        let placed = want.hypervisor.is_empty() || want.hypervisor == have.hypervisor;
        if have.role == want.role && placed {
            return Ok(true);
        }
        Err(differs(
            &format!("node {} of cluster {}", want.name, want.cluster),
            &format!("{} on {}", node::role(have.role()), have.hypervisor),
            &format!("{} on {}", node::role(want.role()), want.hypervisor),
        ))
    }
}

fn differs(what: &str, have: &str, want: &str) -> Failure {
    Failure::Differs(format!("{what} exists and differs: it is {have}, the document says {want}"))
}

fn is_same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    have: Option<&T>,
    want: &T,
) -> Result<bool, Failure> {
    match have {
        None => Ok(false),
        Some(have) if have == want => Ok(true),
        Some(have) => {
            let (have, want) = difference(have, want);
            Err(differs(what, &have, &want))
        }
    }
}

/// The fields in which two messages of a kind differ, of the one and of the other.
fn difference(have: &impl std::fmt::Debug, want: &impl std::fmt::Debug) -> (String, String) {
    let (have, want) = (format!("{have:#?}"), format!("{want:#?}"));
    let fields = |a: &str, b: &str| {
        let other: BTreeSet<&str> = b.lines().collect();
        let own = a.lines().filter(|line| !other.contains(line));
        own.map(|line| line.trim().trim_end_matches(',')).collect::<Vec<_>>().join(", ")
    };
    (fields(&have, &want), fields(&want, &have))
}

/// Issuers whose certificates are reduced to their content: comments and line ends do not
/// make a difference.
fn comparable(issuers: &[v1::Issuer]) -> Vec<v1::Issuer> {
    let bodies = |pem: &str| {
        let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
        let bodies = blocks.filter_map(|block| block.split("-----END").next());
        let bare = |body: &str| body.split_whitespace().collect::<String>();
        bodies.map(bare).collect::<Vec<_>>().join("\n")
    };
    let one = |i: &v1::Issuer| v1::Issuer {
        certificate_authority: bodies(&i.certificate_authority),
        ..i.clone()
    };
    issuers.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn spec(domain: &str) -> Option<v1::ClusterSpec> {
        Some(v1::ClusterSpec { dns_domain: domain.to_owned(), ..Default::default() })
    }

    /// One cluster with a node, and a hypervisor that shares a port.
    fn known() -> Known {
        let registered = v1::RegisterHypervisor { name: "h".to_owned(), ..Default::default() };
        let hypervisor = v1::Hypervisor {
            spec: Some(registered),
            shared_ports: vec![443],
            ..Default::default()
        };
        let cluster =
            v1::Cluster { name: "a".to_owned(), spec: spec("a.test"), ..Default::default() };
        let node = v1::Node {
            cluster: "a".to_owned(),
            name: "cp".to_owned(),
            role: v1::Role::ControlPlane.into(),
            hypervisor: "h".to_owned(),
            ..Default::default()
        };
        Known::new(vec![hypervisor], vec![cluster], vec![node])
    }

    fn has(command: impl Into<Command>) -> Result<bool, String> {
        known().has(&command.into()).map_err(|e| e.to_string())
    }

    #[test]
    fn what_cannot_be_changed_is_there_absent_or_differs() {
        let create =
            |name: &str, domain| v1::CreateCluster { name: name.to_owned(), spec: spec(domain) };
        assert_eq!(has(create("a", "a.test")), Ok(true));
        assert_eq!(has(create("b", "a.test")), Ok(false));
        assert_eq!(
            has(create("a", "b.test")).unwrap_err(),
            "refused (differs): cluster a exists and differs: it is dns_domain: \"a.test\", the document says dns_domain: \"b.test\""
        );
    }

    #[test]
    fn a_node_may_be_anywhere_unless_its_place_is_named() {
        let add = |role: v1::Role, hypervisor: &str| v1::AddNode {
            cluster: "a".to_owned(),
            name: "cp".to_owned(),
            role: role.into(),
            hypervisor: hypervisor.to_owned(),
        };
        assert_eq!(has(add(v1::Role::ControlPlane, "")), Ok(true));
        assert_eq!(has(add(v1::Role::ControlPlane, "h")), Ok(true));
        let elsewhere = has(add(v1::Role::ControlPlane, "i")).unwrap_err();
        assert!(elsewhere.contains("controlplane on h"), "{elsewhere}");
        assert!(has(add(v1::Role::ApiServer, "")).is_err());
    }

    #[test]
    fn settings_are_there_or_not() {
        let share = |ports| v1::SharePorts { name: "h".to_owned(), ports };
        assert_eq!(has(share(vec![443])), Ok(true));
        assert_eq!(has(share(vec![])), Ok(false));
        let addons = v1::SetAddons { cluster: "a".to_owned(), addons: Some(Default::default()) };
        assert_eq!(has(addons), Ok(false));
        let nobody = |cluster: &str| v1::SetAuthentication {
            cluster: cluster.to_owned(),
            issuers: Vec::new(),
        };
        assert_eq!((has(nobody("a")), has(nobody("b"))), (Ok(true), Ok(false)));
    }

    #[test]
    fn certificates_are_compared_by_their_content() {
        let issuer =
            |pem: &str| v1::Issuer { certificate_authority: pem.to_owned(), ..Default::default() };
        let begin = "-----BEGIN CERTIFICATE-----\n";
        let one = issuer(&format!("# mine\n{begin}AB\nCD\n-----END CERTIFICATE-----\n"));
        let same = issuer(&format!("{begin}ABCD\r\n-----END CERTIFICATE-----"));
        let other = issuer(&format!("{begin}ABCE\n-----END CERTIFICATE-----\n"));
        assert_eq!(comparable(std::slice::from_ref(&one)), comparable(&[same]));
        assert_ne!(comparable(&[one]), comparable(&[other]));
    }
}
