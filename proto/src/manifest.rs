//! Declarative documents: `apiVersion: oi/v1` with kind `Hypervisor`, `Cluster`
//! or `Node`, many in one YAML stream. What is not understood is refused with its
//! position, never dropped.

use crate::authentication::AuthenticationSpec;
use crate::v1;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The only `apiVersion`.
pub const API_VERSION: &str = "oi/v1";

/// Why a stream of documents was refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not YAML, or not of the kind's form.
    #[error("document {number}, line {line}, column {column}: {problem}")]
    Malformed {
        /// Which document, from 1.
        number: usize,
        /// Line in the whole stream, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// A document that `oi` does not know.
    #[error(
        "document {number}, starting at line {line}: {found} is unknown; use apiVersion {API_VERSION} with kind Hypervisor, Cluster or Node"
    )]
    Unknown {
        /// Which document, from 1.
        number: usize,
        /// Its first line, from 1.
        line: usize,
        /// Its apiVersion and kind.
        found: String,
    },
    /// The last line does not end: something is missing.
    #[error(
        "line {line}, the last one, does not end with a newline: the input looks cut off; if it is not, end it with a newline"
    )]
    CutOff {
        /// The last line, from 1.
        line: usize,
    },
    /// A document cannot be written.
    #[error("cannot write a document")]
    Write(#[source] serde_yaml_ng::Error),
}

/// The name of what a document declares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// DNS label.
    pub name: String,
}

/// Host ports that may be used, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortRange {
    /// First port.
    pub low: u16,
    /// Last port.
    pub high: u16,
}

/// PEM files on the worker's machine for mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TlsFiles {
    /// The authority that signed the endpoint's certificate.
    pub ca_file: String,
    /// Client certificate.
    pub certificate_file: String,
    /// Client key.
    pub key_file: String,
}

/// A machine that exposes a CRI socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HypervisorSpec {
    /// `unix:///path` or `tcp://host:port`.
    pub cri_endpoint: String,
    /// For `tcp://` endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
    /// Public ones carry ingresses, private ones control planes.
    #[serde(default)]
    pub public: bool,
    /// IP address where host ports are reached.
    pub address: String,
    /// Host ports that may be used.
    pub port_range: PortRange,
    /// Directory on the hypervisor for files and etcd data.
    #[serde(default = "default_data_dir")]
    pub data_dir: String,
    /// How many nodes it may carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_nodes: Option<u32>,
    /// Host ports beside those of its range that clusters may share; where this is absent,
    /// they stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_ports: Option<Vec<u16>>,
}

fn default_data_dir() -> String {
    "/var/lib/oi".to_owned()
}

/// Address ranges and names inside a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
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
    /// What is kept inside of it for worker nodes; nothing is where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addons: Option<AddonsSpec>,
    /// The tunnel to its worker nodes; none is where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<TunnelSpec>,
    /// Where clients are told to reach its API: at its oldest ingress where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointSpec>,
    /// Who says who its users are, beside the cluster itself: nobody where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<AuthenticationSpec>,
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

/// A member of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeSpec {
    /// The cluster it belongs to.
    pub cluster: String,
    /// `controlplane` or `controlplane-ingress`.
    pub role: NodeRole,
    /// Where to put it; placement chooses where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hypervisor: Option<String>,
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeRole {
    /// etcd, API server, controller manager and scheduler.
    #[serde(rename = "controlplane")]
    ControlPlane,
    /// haproxy in front of the API servers.
    #[serde(rename = "controlplane-ingress")]
    ControlPlaneIngress,
    /// An API server without an etcd member of its own.
    #[serde(rename = "apiserver")]
    ApiServer,
}

/// One document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// See [`HypervisorSpec`].
    Hypervisor(Metadata, HypervisorSpec),
    /// See [`ClusterSpec`].
    Cluster(Metadata, ClusterSpec),
    /// See [`NodeSpec`].
    Node(Metadata, NodeSpec),
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
    kind: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Body<S> {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: S,
}

/// Splits at `---` lines; each part with the line (from 0) at which it starts.
fn split(stream: &str) -> Vec<(usize, String)> {
    let mut parts = vec![(0, String::new())];
    for (number, line) in stream.lines().enumerate() {
        let marker = line.strip_prefix("---").is_some_and(|r| r.is_empty() || r.starts_with(' '));
        if marker {
            parts.push((number + 1, String::new()));
        } else if let Some((_, text)) = parts.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    let blank =
        |text: &str| text.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#'));
    parts.retain(|(_, text)| !blank(text));
    parts
}

/// Reads all documents of a stream.
///
/// # Errors
/// Names the document and position of the first thing that is not understood.
pub fn read(stream: &str) -> Result<Vec<Document>, ManifestError> {
    // A value that was cut short can be a value still: only its line shows it.
    if !stream.is_empty() && !stream.ends_with('\n') {
        return Err(ManifestError::CutOff { line: stream.lines().count() });
    }
    split(stream)
        .iter()
        .enumerate()
        .map(|(i, (first_line, text))| read_one(i + 1, *first_line, text))
        .collect()
}

fn read_one(number: usize, first_line: usize, text: &str) -> Result<Document, ManifestError> {
    let malformed = |e: serde_yaml_ng::Error| {
        let (line, column) = e.location().map_or((1, 1), |l| (l.line(), l.column()));
        ManifestError::Malformed { number, line: first_line + line, column, problem: e.to_string() }
    };
    let head: Head = serde_yaml_ng::from_str(text).map_err(malformed)?;
    let (api_version, kind) = (head.api_version.unwrap_or_default(), head.kind.unwrap_or_default());
    let unknown = || ManifestError::Unknown {
        number,
        line: first_line + 1,
        found: format!("apiVersion {api_version:?} with kind {kind:?}"),
    };
    if api_version != API_VERSION {
        return Err(unknown());
    }
    match kind.as_str() {
        "Hypervisor" => body(text).map(|b| Document::Hypervisor(b.metadata, b.spec)),
        "Cluster" => body(text).map(|b| Document::Cluster(b.metadata, b.spec)),
        "Node" => body(text).map(|b| Document::Node(b.metadata, b.spec)),
        _ => return Err(unknown()),
    }
    .map_err(malformed)
}

fn body<S: for<'de> Deserialize<'de>>(text: &str) -> Result<Body<S>, serde_yaml_ng::Error> {
    serde_yaml_ng::from_str(text)
}

/// Writes documents as one stream that [`read`] accepts.
///
/// # Errors
/// Where YAML cannot be written.
pub fn write(documents: &[Document]) -> Result<String, ManifestError> {
    fn one<S: Serialize + Clone>(
        kind: &str,
        m: &Metadata,
        spec: &S,
    ) -> Result<String, ManifestError> {
        serde_yaml_ng::to_string(&Body {
            api_version: API_VERSION.to_owned(),
            kind: kind.to_owned(),
            metadata: m.clone(),
            spec: spec.clone(),
        })
        .map_err(ManifestError::Write)
    }
    let mut stream = String::new();
    for document in documents {
        let text = match document {
            Document::Hypervisor(m, s) => one("Hypervisor", m, s)?,
            Document::Cluster(m, s) => one("Cluster", m, s)?,
            Document::Node(m, s) => one("Node", m, s)?,
        };
        // Writing into a string cannot fail.
        let _ = write!(stream, "---\n{text}");
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NODE: &str = "apiVersion: oi/v1\nkind: Node\nmetadata: {name: a}\nspec: {cluster: test, role: controlplane}\n";

    #[test]
    fn what_is_written_is_read_back() {
        let documents = read(&format!("# comment\n---\n{NODE}---\n---\n{NODE}")).unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(read(&write(&documents).unwrap()).unwrap(), documents);
    }

    #[test]
    fn an_unknown_kind_is_refused_with_its_line() {
        let error =
            read(&format!("{NODE}---\napiVersion: v1\nkind: Pod\n")).unwrap_err().to_string();
        assert!(
            error.contains("document 2, starting at line 6") && error.contains("\"Pod\""),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_field_or_truncated_text_is_refused_with_its_position() {
        let error = read(&NODE.replace("role:", "roll:")).unwrap_err().to_string();
        assert!(error.contains("document 1, line 4"), "{error}");
        for cut in 1..NODE.len() {
            read(&format!("{NODE}---\n{}", &NODE[..cut])).unwrap_err();
        }
        let error = read(&format!("{NODE}---\n{}\n", &NODE[..60])).unwrap_err().to_string();
        assert!(error.contains("document 2, line"), "{error}");
    }
}
