//! A state as the documents that declare it.

use oi_domain::{Cluster, ClusterPhase, Hypervisor, State};
use oi_events::{ClaimMapping, ClusterName, Issuer, NodeName, Role};
use oi_proto::authentication::{
    self, AuthenticationSpec, Jwt, Mapping, Mappings, MatchPolicy, Rule,
};
use oi_proto::manifest::{
    AddonsSpec, ClusterSpec, Cni, Document, EndpointSpec, HypervisorSpec, Metadata, Networking,
    NodeRole, NodeSpec, PortRange, TlsFiles, TunnelSpec,
};
use std::sync::Arc;

fn hypervisor(h: &Hypervisor) -> Document {
    let spec = &h.spec;
    let tls = spec.tls.as_ref().map(|tls| TlsFiles {
        ca_file: tls.ca_file.clone(),
        certificate_file: tls.certificate_file.clone(),
        key_file: tls.key_file.clone(),
    });
    let document = HypervisorSpec {
        cri_endpoint: spec.cri_endpoint.clone(),
        tls,
        public: spec.public,
        address: spec.address.to_string(),
        port_range: PortRange { low: spec.port_low, high: spec.port_high },
        data_dir: spec.data_dir.clone(),
        max_nodes: spec.max_nodes,
        // Where nothing were said of them, those that are there would stay.
        shared_ports: Some(h.shared_ports.iter().copied().collect()),
    };
    Document::Hypervisor(Metadata { name: spec.name.to_string() }, document)
}

fn nodes(name: &ClusterName, cluster: &Cluster) -> Vec<Document> {
    let mut nodes: Vec<_> = cluster.nodes.iter().filter(|(_, n)| !n.removing).collect();
    // In the order in which they came: the first one founds the cluster again.
    nodes.sort_by_key(|(_, n)| n.added);
    let one = |(node_name, node): (&NodeName, &Arc<oi_domain::Node>)| {
        let spec = NodeSpec {
            cluster: name.to_string(),
            role: match node.role {
                Role::ControlPlane => NodeRole::ControlPlane,
                Role::ControlPlaneIngress => NodeRole::ControlPlaneIngress,
                Role::ApiServer => NodeRole::ApiServer,
            },
            hypervisor: Some(node.hypervisor.to_string()),
        };
        Document::Node(Metadata { name: node_name.to_string() }, spec)
    };
    nodes.into_iter().map(one).collect()
}

fn jwt(issuer: &Issuer) -> Jwt {
    let mapping = |m: &ClaimMapping| Mapping { claim: m.claim.clone(), prefix: m.prefix.clone() };
    let rule = |(claim, value): &(String, String)| Rule {
        claim: claim.clone(),
        required_value: value.clone(),
    };
    Jwt {
        issuer: authentication::Issuer {
            url: issuer.url.clone(),
            discovery_url: issuer.discovery_url.clone(),
            certificate_authority: issuer.certificate_authority.clone(),
            audiences: issuer.audiences.clone(),
            audience_match_policy: (issuer.audiences.len() > 1).then_some(MatchPolicy::MatchAny),
        },
        claim_validation_rules: issuer.required_claims.iter().map(rule).collect(),
        claim_mappings: Mappings {
            username: mapping(&issuer.username),
            groups: issuer.groups.as_ref().map(mapping),
        },
    }
}

/// What `oi reconcile` takes to make the same: hypervisors, clusters and nodes with their
/// places, or one cluster with its nodes. What is being deleted is left out.
pub fn documents(state: &State, only: Option<&ClusterName>) -> Vec<Document> {
    let mut documents = Vec::new();
    if only.is_none() {
        documents.extend(state.hypervisors.values().map(|h| hypervisor(h)));
    }
    let wanted = |name: &&ClusterName| only.is_none_or(|only| only == *name);
    for (name, cluster) in state.clusters.iter().filter(|(name, _)| wanted(name)) {
        if cluster.phase == ClusterPhase::Deleting {
            continue;
        }
        let spec = ClusterSpec {
            kubernetes_version: cluster.spec.kubernetes_version.to_string(),
            networking: Networking {
                pod_cidr: cluster.spec.pod_cidr.clone(),
                service_cidr: cluster.spec.service_cidr.clone(),
                dns_domain: cluster.spec.dns_domain.clone(),
            },
            extra_sans: cluster.spec.extra_sans.clone(),
            addons: cluster.addons.as_ref().map(|addons| AddonsSpec {
                cni: match addons.spec.cni {
                    oi_events::Cni::None => Cni::None,
                    oi_events::Cni::Flannel => Cni::Flannel,
                },
                kube_proxy: addons.spec.kube_proxy,
                dns: addons.spec.dns,
            }),
            endpoint: cluster.endpoint.as_ref().map(|e| EndpointSpec {
                host: e.host.clone(),
                port: e.port,
                forwarded: e.forwarded,
            }),
            authentication: (!cluster.issuers.is_empty())
                .then(|| AuthenticationSpec { jwt: cluster.issuers.iter().map(jwt).collect() }),
            tunnel: cluster.tunnel.as_ref().map(|tunnel| TunnelSpec { cidr: tunnel.cidr.clone() }),
        };
        documents.push(Document::Cluster(Metadata { name: name.to_string() }, spec));
        documents.extend(nodes(name, cluster));
    }
    documents
}
