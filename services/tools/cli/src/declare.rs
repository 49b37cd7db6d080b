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
            let create = v1::CreateCluster {
                name: name.clone(),
                spec: Some(spec.into()),
                ..v1::CreateCluster::default()
            };
            let create = step(format!("cluster {name} created"), create);
            std::iter::once(create).chain(settings(name, spec)).collect()
        }
        Document::Node(m, spec) => {
            let (name, cluster) = (&m.name, &spec.cluster);
            vec![step(format!("node {name} added to cluster {cluster}"), spec.add(name))]
        }
    }
}

/// What is left where add-ons are taken away: the cluster stays ready for worker nodes.
const NO_ADDONS: v1::Addons =
    v1::Addons { cni: v1::Cni::None as i32, kube_proxy: false, dns: false };

/// The commands that take away the settings of which a cluster's document says nothing. A tunnel
/// stays.
pub fn cleared(document: &Document) -> Vec<Step> {
    let Document::Cluster(m, spec) = document else { return Vec::new() };
    let (name, cluster) = (&m.name, || m.name.clone());
    let unsaid = "of which its document says nothing";
    let addons = spec.addons.is_none().then(|| {
        let command = v1::SetAddons { cluster: cluster(), addons: Some(NO_ADDONS) };
        step(format!("cluster {name}: add-ons taken away, {unsaid}"), command)
    });
    let endpoint = spec.endpoint.is_none().then(|| {
        let command = v1::SetEndpoint { cluster: cluster(), endpoint: None };
        let told = "whoever was told it (kubeconfigs, worker nodes) must be told anew";
        step(format!("cluster {name}: its own endpoint taken away, {unsaid}: {told}"), command)
    });
    let authentication = spec.authentication.is_none().then(|| {
        let command = v1::SetAuthentication { cluster: cluster(), issuers: Vec::new() };
        step(format!("cluster {name}: issuers of users' tokens taken away, {unsaid}"), command)
    });
    [addons, endpoint, authentication].into_iter().flatten().collect()
}

/// A warning of a number of control planes that is no use.
pub fn even_members(cluster: &str, members: usize) -> Option<String> {
    let even = members > 0 && members.is_multiple_of(2);
    even.then(|| {
        format!(
            "warning: cluster {cluster} has {members} control planes in the end, of which {} must answer: it bears the loss of no more than {} would; use an odd number",
            members / 2 + 1,
            members - 1
        )
    })
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
    fn an_even_number_of_control_planes_is_warned_of() {
        for (members, warned) in [(0, false), (1, false), (2, true), (3, false), (4, true)] {
            assert_eq!(even_members("a", members).is_some(), warned, "{members}");
        }
        let warning = even_members("even", 2).unwrap();
        assert!(warning.contains("of which 2 must answer"), "{warning}");
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
