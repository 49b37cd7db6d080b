//! Documents on stdin and stdout, and the filters between them.

use crate::error::Failure;
use crate::flags::{ClusterFlags, NodeFlags, Role};
use oi_events::{ClusterName, HypervisorName, KubernetesVersion, NodeName};
use oi_proto::manifest::{
    self, AddonsSpec, ClusterSpec, Document, Metadata, Networking, NodeRole, NodeSpec, TunnelSpec,
};
use std::io::{IsTerminal, Read};
use std::path::Path;

/// Reads all documents of a file, or of stdin for `-`; a terminal has none.
///
/// # Errors
/// Where something is not understood: with its position.
pub fn read(path: &Path) -> Result<Vec<Document>, Failure> {
    let io = |what: &str| {
        let what = what.to_owned();
        move |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::InvalidData => Failure::Input(format!(
                "{what} is not text (UTF-8), so there are no documents in it"
            )),
            _ => Failure::Io { what, source },
        }
    };
    let mut text = String::new();
    if path != Path::new("-") {
        text = std::fs::read_to_string(path).map_err(io(&path.display().to_string()))?;
    } else if !std::io::stdin().is_terminal() {
        std::io::stdin().read_to_string(&mut text).map_err(io("stdin"))?;
    }
    Ok(manifest::read(&text)?)
}

/// The cluster's document, and those of the nodes that come with it.
pub fn cluster(flags: &ClusterFlags) -> Result<Vec<Document>, Failure> {
    flags.name.parse::<ClusterName>()?;
    flags.kubernetes_version.parse::<KubernetesVersion>()?;
    let spec = ClusterSpec {
        kubernetes_version: flags.kubernetes_version.clone(),
        networking: Networking {
            pod_cidr: flags.pod_cidr.clone(),
            service_cidr: flags.service_cidr.clone(),
            dns_domain: flags.dns_domain.clone(),
        },
        extra_sans: flags.apiserver_extra_sans.clone(),
        addons: (!flags.no_workers).then_some(AddonsSpec {
            cni: flags.cni.into(),
            kube_proxy: flags.kube_proxy,
            dns: flags.dns,
        }),
        endpoint: flags.endpoint.spec(),
        authentication: flags.authentication.spec()?,
        tunnel: flags.vpn_enabled.then(|| TunnelSpec { cidr: flags.vpn_cidr.clone() }),
    };
    let mut documents = vec![Document::Cluster(Metadata { name: flags.name.clone() }, spec)];
    let roles = [
        ("cp", NodeRole::ControlPlane, flags.control_plane_replicas),
        ("lb", NodeRole::ControlPlaneIngress, flags.ingress_replicas),
    ];
    for (prefix, role, count) in roles {
        documents.extend((1..=count).map(|n| {
            let spec = NodeSpec { cluster: flags.name.clone(), role, hypervisor: None };
            Document::Node(Metadata { name: format!("{prefix}-{n}") }, spec)
        }));
    }
    Ok(documents)
}

/// The node's document.
pub fn node(flags: &NodeFlags) -> Result<Document, Failure> {
    flags.name.parse::<NodeName>()?;
    flags.cluster.parse::<ClusterName>()?;
    if let Some(hypervisor) = &flags.hypervisor {
        hypervisor.parse::<HypervisorName>()?;
    }
    let spec = NodeSpec {
        cluster: flags.cluster.clone(),
        role: match flags.role {
            Role::ControlPlane => NodeRole::ControlPlane,
            Role::ControlPlaneIngress => NodeRole::ControlPlaneIngress,
            Role::ApiServer => NodeRole::ApiServer,
        },
        hypervisor: flags.hypervisor.clone(),
    };
    Ok(Document::Node(Metadata { name: flags.name.clone() }, spec))
}

/// Which documents cannot both stand in one stream.
fn identity(document: &Document) -> String {
    match document {
        Document::Hypervisor(m, _) => format!("hypervisor {}", m.name),
        Document::Cluster(m, _) => format!("cluster {}", m.name),
        Document::Node(m, spec) => format!("node {} of cluster {}", m.name, spec.cluster),
    }
}

/// Adds documents to the others.
///
/// # Errors
/// Where a name is taken, or a cluster is not there.
pub fn inject(mut documents: Vec<Document>, new: Vec<Document>) -> Result<Vec<Document>, Failure> {
    check(&documents)?;
    for new in new {
        if documents.iter().any(|d| identity(d) == identity(&new)) {
            return Err(Failure::Input(format!(
                "{} is declared already: choose another name",
                identity(&new)
            )));
        }
        documents.push(new);
    }
    check(&documents)?;
    Ok(documents)
}

/// Refuses doubled names, and nodes of clusters that no document declares.
pub fn check(documents: &[Document]) -> Result<(), Failure> {
    for (i, document) in documents.iter().enumerate() {
        if documents[..i].iter().any(|d| identity(d) == identity(document)) {
            return Err(Failure::Input(format!("{} is declared twice", identity(document))));
        }
        let Document::Node(_, spec) = document else { continue };
        let declared = documents
            .iter()
            .any(|d| matches!(d, Document::Cluster(m, _) if m.name == spec.cluster));
        if !declared {
            return Err(Failure::Input(format!(
                "{} belongs to a cluster that no document declares: inject the cluster first",
                identity(document)
            )));
        }
    }
    Ok(())
}
