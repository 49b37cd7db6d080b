//! Kind `Cluster`.

use crate::authentication::AuthenticationSpec;
use crate::v1;
use serde::{Deserialize, Serialize};

/// Address ranges and names inside a cluster. What a document leaves out has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Networking {
    /// Addresses of pods.
    pub pod_cidr: String,
    /// Addresses of Services.
    pub service_cidr: String,
    /// DNS domain.
    pub dns_domain: String,
}

impl Default for Networking {
    fn default() -> Self {
        Networking {
            pod_cidr: "10.244.0.0/16".to_owned(),
            service_cidr: "10.96.0.0/12".to_owned(),
            dns_domain: "cluster.local".to_owned(),
        }
    }
}

/// A Kubernetes control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClusterSpec {
    /// `vMAJOR.MINOR.PATCH`.
    pub kubernetes_version: String,
    /// Address ranges.
    #[serde(default)]
    pub networking: Networking,
    /// More names or addresses for the API server's certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_sans: Vec<String>,
    /// What is kept inside of it for worker nodes; nothing where this is absent: what was kept is
    /// taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addons: Option<AddonsSpec>,
    /// The tunnel to its worker nodes; none where this is absent. One that is there stays, so that
    /// a document without it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<TunnelSpec>,
    /// Where clients are told to reach its API: at its oldest ingress where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointSpec>,
    /// Who says who its users are, beside the cluster itself: nobody where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<AuthenticationSpec>,
}

impl From<&ClusterSpec> for v1::ClusterSpec {
    fn from(spec: &ClusterSpec) -> v1::ClusterSpec {
        v1::ClusterSpec {
            kubernetes_version: spec.kubernetes_version.clone(),
            pod_cidr: spec.networking.pod_cidr.clone(),
            service_cidr: spec.networking.service_cidr.clone(),
            dns_domain: spec.networking.dns_domain.clone(),
            extra_sans: spec.extra_sans.clone(),
        }
    }
}

/// The port of an endpoint of which none is said.
pub const ENDPOINT_PORT: u16 = 6443;

/// Where clients are told to reach a cluster's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EndpointSpec {
    /// A DNS name, or an IP address.
    pub host: String,
    /// Its port.
    #[serde(default = "endpoint_port")]
    pub port: u16,
    /// Something of yours leads from there to the ingresses: machines with ingresses do not
    /// listen on that port.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forwarded: bool,
}

fn endpoint_port() -> u16 {
    ENDPOINT_PORT
}

impl From<&EndpointSpec> for v1::Endpoint {
    fn from(e: &EndpointSpec) -> v1::Endpoint {
        v1::Endpoint { host: e.host.clone(), port: e.port.into(), forwarded: e.forwarded }
    }
}

/// The tunnel between a cluster's worker nodes and its control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TunnelSpec {
    /// Addresses in it, an IPv4 CIDR.
    pub cidr: String,
}

/// What is kept inside of a cluster for worker nodes and pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AddonsSpec {
    /// The network of its pods.
    pub cni: Cni,
    /// kube-proxy, which makes Services reachable.
    #[serde(default = "yes")]
    pub kube_proxy: bool,
    /// CoreDNS, which gives Services names.
    #[serde(default = "yes")]
    pub dns: bool,
}

fn yes() -> bool {
    true
}

/// The network of a cluster's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cni {
    /// None of oi's: the cluster's users install one.
    None,
    /// flannel, with VXLAN between nodes.
    Flannel,
}

impl From<Cni> for v1::Cni {
    fn from(cni: Cni) -> v1::Cni {
        match cni {
            Cni::None => v1::Cni::None,
            Cni::Flannel => v1::Cni::Flannel,
        }
    }
}

impl From<AddonsSpec> for v1::Addons {
    fn from(a: AddonsSpec) -> v1::Addons {
        let cni = v1::Cni::from(a.cni);
        v1::Addons { cni: cni.into(), kube_proxy: a.kube_proxy, dns: a.dns }
    }
}
