//! From a manifest to the commands that make what it declares.

use oi_proto::manifest::{ClusterSpec, Document};
use oi_proto::v1::{self, submit_request::Command};

/// A command, and what to say once it is taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub done: String,
    pub command: Command,
}

fn step(done: String, command: impl Into<Command>) -> Step {
    Step { done, command: command.into() }
}

/// The commands of a document: the one that makes it, then one for each of its settings,
/// which can be changed later.
pub fn steps(document: &Document) -> Vec<Step> {
    match document {
        Document::Hypervisor(m, spec) => {
            let name = &m.name;
            let register = step(format!("hypervisor {name} registered"), spec.register(name));
            let shared = spec.share_ports(name);
            let shared =
                shared.map(|share| step(format!("hypervisor {name}: ports to share"), share));
            std::iter::once(register).chain(shared).collect()
        }
        Document::Cluster(m, spec) => {
            let name = &m.name;
            let create = v1::CreateCluster { name: name.clone(), spec: Some(spec.into()) };
            let create = step(format!("cluster {name} created"), create);
            std::iter::once(create).chain(settings(name, spec)).collect()
        }
        Document::Node(m, spec) => {
            let (name, cluster) = (&m.name, &spec.cluster);
            vec![step(format!("node {name} added to cluster {cluster}"), spec.add(name))]
        }
    }
}

/// Those of which a cluster's document says something.
fn settings(name: &str, spec: &ClusterSpec) -> impl Iterator<Item = Step> {
    let cluster = || name.to_owned();
    let addons = spec.addons.map(|addons| {
        let command = v1::SetAddons { cluster: cluster(), addons: Some(addons.into()) };
        step(format!("cluster {name}: made for worker nodes"), command)
    });
    let tunnel = spec.tunnel.as_ref().map(|tunnel| {
        let command = v1::EnableTunnel { cluster: cluster(), cidr: tunnel.cidr.clone() };
        step(format!("cluster {name}: a tunnel to worker nodes"), command)
    });
    let endpoint = spec.endpoint.as_ref().map(|endpoint| {
        let command = v1::SetEndpoint { cluster: cluster(), endpoint: Some(endpoint.into()) };
        step(format!("cluster {name}: an endpoint of its own"), command)
    });
    let authentication = spec.authentication.as_ref().map(|spec| {
        let issuers: Vec<v1::Issuer> = spec.jwt.iter().map(v1::Issuer::from).collect();
        let done = format!("cluster {name}: {} issuer(s) of users' tokens", issuers.len());
        step(done, v1::SetAuthentication { cluster: cluster(), issuers })
    });
    [addons, tunnel, endpoint, authentication].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use oi_proto::manifest;

    fn said(yaml: &str) -> Vec<String> {
        let documents = manifest::read(&format!("apiVersion: oi/v1\n{yaml}")).unwrap();
        documents.iter().flat_map(steps).map(|step| step.done).collect()
    }

    #[test]
    fn a_cluster_is_created_and_then_gets_its_settings() {
        let bare = "kind: Cluster\nmetadata: {name: a}\nspec:\n  kubernetesVersion: v1.36.3\n";
        assert_eq!(said(bare), ["cluster a created"]);
        let settings = "  addons: {cni: flannel}\n  tunnel: {cidr: 10.254.0.0/16}\n  endpoint: {host: a.test}\n  authentication: {jwt: []}\n";
        assert_eq!(
            said(&format!("{bare}{settings}")),
            [
                "cluster a created",
                "cluster a: made for worker nodes",
                "cluster a: a tunnel to worker nodes",
                "cluster a: an endpoint of its own",
                "cluster a: 0 issuer(s) of users' tokens",
            ]
        );
    }

    #[test]
    fn a_hypervisor_shares_ports_only_where_its_document_names_some() {
        let hypervisor = "kind: Hypervisor\nmetadata: {name: h}\nspec: {criEndpoint: unix:///s, address: 10.0.0.1, portRange: {low: 1, high: 9}SHARED}\n";
        assert_eq!(said(&hypervisor.replace("SHARED", "")), ["hypervisor h registered"]);
        assert_eq!(
            said(&hypervisor.replace("SHARED", ", sharedPorts: []")),
            ["hypervisor h registered", "hypervisor h: ports to share"]
        );
    }
}
