//! What is still to be done for a document.

use super::known::{Known, check_stays, is_asleep};
use crate::declare::{self, Step};
use crate::error::Failure;
use crate::node;
use oi_events::{Code, parsed};
use oi_proto::manifest::Document;
use oi_proto::v1::{self, submit_request::Command};
use std::collections::BTreeSet;
use std::net::IpAddr;

impl Known {
    /// The steps that are left for a document.
    ///
    /// # Errors
    /// Where something else is there that no command changes, or a cluster cannot be changed.
    pub fn missing(&self, document: &Document) -> Result<Vec<Step>, Failure> {
        let name = match document {
            Document::Hypervisor(..) => None,
            Document::Cluster(m, _) => Some(&m.name),
            Document::Node(_, spec) => Some(&spec.cluster),
        };
        let cluster = name.and_then(|name| self.clusters.get(name));
        cluster.map_or(Ok(()), check_stays)?;
        if let (Document::Cluster(_, spec), Some(cluster)) = (document, cluster) {
            check_tunnel(cluster, spec.tunnel.as_ref().map(|tunnel| tunnel.cidr.as_str()))?;
        }
        let mut missing = Vec::new();
        for step in declare::steps(document) {
            missing.extend(self.needed(step)?);
        }
        // What is not there yet has nothing that could be taken away.
        let kept = cluster.is_some_and(|c| c.addons.is_some());
        for step in declare::cleared(document).into_iter().filter(|_| cluster.is_some()) {
            if kept || !matches!(step.command, Command::SetAddons(_)) {
                missing.extend(self.needed(step)?);
            }
        }
        match (cluster, missing.first()) {
            (Some(cluster), Some(step)) if is_asleep(cluster) => Err(Failure::Rejected {
                code: Code::ClusterHibernated,
                message: format!(
                    "cluster {name} is hibernated, and its documents ask for a change ({}): wake it first (`oi cluster wake {name}`)",
                    step.done,
                    name = cluster.name
                ),
            }),
            _ => Ok(missing),
        }
    }

    /// The step, if what it makes is not there; another one where that is there in another form
    /// that can be changed.
    ///
    /// # Errors
    /// Where it cannot.
    pub fn needed(&self, step: Step) -> Result<Option<Step>, Failure> {
        let cluster = |name: &str| self.clusters.get(name);
        let there = match &step.command {
            Command::RegisterHypervisor(want) => {
                let have = self.hypervisors.get(&want.name).and_then(|h| h.spec.as_ref());
                return Ok(register(step.clone(), have, want));
            }
            Command::CreateCluster(want) => {
                let have = cluster(&want.name).map(|c| c.spec.clone().unwrap_or_default());
                return create(step.clone(), have, want);
            }
            Command::AddNode(want) => return self.add(step.clone(), want),
            Command::SharePorts(want) => {
                let have = self.hypervisors.get(&want.name);
                have.map_or(want.ports.is_empty(), |h| h.shared_ports == want.ports)
            }
            Command::SetAddons(want) => {
                cluster(&want.cluster).is_some_and(|c| c.addons == want.addons)
            }
            Command::EnableTunnel(want) => {
                cluster(&want.cluster).is_some_and(|c| c.tunnel.is_some())
            }
            Command::SetEndpoint(want) => {
                cluster(&want.cluster).is_some_and(|c| c.own_endpoint == want.endpoint)
            }
            Command::SetAuthentication(want) => {
                let have = cluster(&want.cluster).and_then(|c| c.authentication.as_ref());
                let have = have.map(|a| a.issuers.as_slice()).unwrap_or_default();
                let there = self.clusters.contains_key(&want.cluster);
                there && comparable(have) == comparable(&want.issuers)
            }
            // No manifest declares others.
            _ => false,
        };
        Ok((!there).then_some(step))
    }

    /// A node that is to be anywhere may be where it is; one that took another's place is where
    /// there was room.
    fn add(&self, step: Step, want: &v1::AddNode) -> Result<Option<Step>, Failure> {
        let (cluster, name) = (&want.cluster, &want.name);
        let Some(have) = self.node(cluster, name) else {
            if self.nodes.contains_key(&(cluster.clone(), name.clone())) {
                return Err(Failure::Differs(format!(
                    "node {name} of cluster {cluster} is being removed: wait until it is gone, then reconcile again"
                )));
            }
            return Ok(Some(step));
        };
        let free = want.hypervisor.is_empty() || have.name != *name;
        if have.role == want.role && (free || want.hypervisor == have.hypervisor) {
            return Ok(None);
        }
        let place = |hypervisor: &str| match hypervisor {
            "" => "anywhere".to_owned(),
            name => format!("on {name}"),
        };
        Err(differs(
            &format!("node {name} of cluster {cluster}"),
            &format!("{} {}", node::role(have.role()), place(&have.hypervisor)),
            &format!("{} {}", node::role(want.role()), place(&want.hypervisor)),
            "move it (`oi node replace`) and leave its place open, or declare it under another name",
        ))
    }
}

/// A hypervisor that is there in another form becomes what its document says.
fn register(
    step: Step,
    have: Option<&v1::RegisterHypervisor>,
    want: &v1::RegisterHypervisor,
) -> Option<Step> {
    let Some(have) = have else { return Some(step) };
    // The same address can be written in several ways.
    let address = |text: &str| parsed::<IpAddr>(text).map(|ip| ip.to_string());
    let same_address = address(&have.address) == address(&want.address);
    let address = if same_address { &have.address } else { &want.address };
    let want = v1::RegisterHypervisor { address: address.clone(), ..want.clone() };
    if *have == want {
        return None;
    }
    let (before, after) = difference(&fields_of_hypervisor(have), &fields_of_hypervisor(&want));
    let done = format!("hypervisor {}: {before} became {after}", want.name);
    Some(Step { done, command: v1::UpdateHypervisor { spec: Some(want) }.into() })
}

/// Of a cluster that is there, further names in certificates can be changed so.
fn create(
    step: Step,
    have: Option<v1::ClusterSpec>,
    want: &v1::CreateCluster,
) -> Result<Option<Step>, Failure> {
    let (Some(have), name) = (have, &want.name) else { return Ok(Some(step)) };
    let want = want.spec.clone().unwrap_or_default();
    let named = v1::ClusterSpec { extra_sans: want.extra_sans.clone(), ..have.clone() };
    if named != want {
        let (have, want) = difference(&fields_of_cluster(&named), &fields_of_cluster(&want));
        let what = format!("cluster {name}");
        let instead = "bring it to another release with `oi cluster upgrade`, and create it anew with other ranges";
        return Err(differs(&what, &have, &want, instead));
    }
    let all = |sans: &[String]| sans.iter().cloned().collect::<BTreeSet<_>>();
    if all(&have.extra_sans) == all(&want.extra_sans) {
        return Ok(None);
    }
    let done = match want.extra_sans.as_slice() {
        [] => format!("cluster {name}: no further names in certificates"),
        sans => format!("cluster {name}: further names in certificates: {}", sans.join(", ")),
    };
    let command = v1::SetExtraSans { cluster: name.clone(), extra_sans: want.extra_sans };
    Ok(Some(Step { done, command: command.into() }))
}

/// A tunnel stays as it is.
fn check_tunnel(cluster: &v1::Cluster, want: Option<&str>) -> Result<(), Failure> {
    let Some(have) = cluster.tunnel.as_ref().map(|tunnel| tunnel.cidr.as_str()) else {
        return Ok(());
    };
    if want == Some(have) {
        return Ok(());
    }
    let want = want.map_or_else(|| "nothing of one".to_owned(), |cidr| format!("tunnel {cidr}"));
    Err(differs(
        &format!("cluster {}", cluster.name),
        &format!("with the tunnel {have}"),
        &want,
        &format!("a tunnel stays: write `tunnel: {{cidr: {have}}}`"),
    ))
}

fn differs(what: &str, have: &str, want: &str, instead: &str) -> Failure {
    Failure::Differs(format!(
        "{what} exists and differs: it is {have}, the document says {want}: {instead}"
    ))
}

/// A field as documents have it, with its value.
type Field = (&'static str, String);

/// The fields of a hypervisor's document.
fn fields_of_hypervisor(h: &v1::RegisterHypervisor) -> Vec<Field> {
    let v1::RegisterHypervisor {
        name: _,
        cri_endpoint,
        tls,
        public,
        address,
        port_low,
        port_high,
        data_dir,
        max_nodes,
    } = h;
    let tls =
        tls.as_ref().map(|t| [&t.ca_file, &t.certificate_file, &t.key_file].map(String::as_str));
    let none = || "none".to_owned();
    vec![
        ("criEndpoint", cri_endpoint.clone()),
        ("tls", tls.map_or_else(none, |files| files.join(" "))),
        ("public", public.to_string()),
        ("address", address.clone()),
        ("portRange", format!("{port_low} to {port_high}")),
        ("dataDir", data_dir.clone()),
        ("maxNodes", if *max_nodes == 0 { none() } else { max_nodes.to_string() }),
    ]
}

/// The fields of a cluster's document that no command changes.
fn fields_of_cluster(spec: &v1::ClusterSpec) -> Vec<Field> {
    let v1::ClusterSpec { kubernetes_version, pod_cidr, service_cidr, dns_domain, extra_sans: _ } =
        spec;
    vec![
        ("kubernetesVersion", kubernetes_version.clone()),
        ("networking.podCidr", pod_cidr.clone()),
        ("networking.serviceCidr", service_cidr.clone()),
        ("networking.dnsDomain", dns_domain.clone()),
    ]
}

/// The fields in which two of a kind differ, of the one and of the other.
fn difference(have: &[Field], want: &[Field]) -> (String, String) {
    let own = |a: &[Field], b: &[Field]| {
        let own = a.iter().filter(|field| !b.contains(field));
        own.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
    };
    (own(have, want), own(want, have))
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
    use super::*;

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
