//! Images, directories and labels of nodes.

use super::{Labels, label};
use oi_domain::Hypervisor;
use oi_events::{ClusterName, ClusterUid, Component, KubernetesVersion, NodeName};

/// Where Kubernetes publishes its images.
const REGISTRY: &str = "registry.k8s.io";

/// The etcd image for a Kubernetes release, as kubeadm pairs them.
pub fn etcd_image(_version: &KubernetesVersion) -> String {
    format!("{REGISTRY}/{ETCD}:3.6.16-0")
}

/// The image of a component of a Kubernetes release.
pub fn kubernetes_image(component: &str, version: &KubernetesVersion) -> String {
    format!("{REGISTRY}/{component}:{version}")
}

/// Whether nodes run images of this name, or hypervisors a helper of it.
pub fn is_ours(name: &str) -> bool {
    let published = name.strip_prefix(REGISTRY).and_then(|rest| rest.strip_prefix('/'));
    published.is_some_and(|n| n == ETCD || Component::ALL.iter().any(|c| c.as_str() == n))
        || HAPROXY_IMAGE.rsplit_once(':').is_some_and(|(own, _)| own == name)
        || ["oi-tunnel", "oi-helper"].iter().any(|end| name.ends_with(&format!("/{end}")))
}

/// The load balancer in front of API servers.
pub const HAPROXY_IMAGE: &str = "docker.io/library/haproxy:2.6";

/// The tunnel to worker nodes.
pub const TUNNEL_IMAGE: &str = "ghcr.io/oi-project/oi-tunnel:0.2.0";

/// The directory of a cluster's node on its hypervisor.
pub fn node_dir(h: &Hypervisor, cluster: ClusterUid, node: &NodeName) -> String {
    format!("{}/{node}", cluster_dir(h, cluster))
}

/// The directory of a cluster on a hypervisor.
pub fn cluster_dir(h: &Hypervisor, cluster: ClusterUid) -> String {
    format!("{}/clusters/{cluster}", h.spec.data_dir.trim_end_matches('/'))
}

/// The name of etcd: of its image, and of its member's directory in a node's own.
pub const ETCD: &str = "etcd";

/// The directory, in a node's own, of its API server's audit log.
pub const AUDIT: &str = "audit";

/// The directory of the audit logs that nodes have left on a hypervisor.
pub fn kept_audits_dir(h: &Hypervisor) -> String {
    format!("{}/{AUDIT}", h.spec.data_dir.trim_end_matches('/'))
}

/// That of one cluster.
pub fn kept_audits_of(h: &Hypervisor, cluster: ClusterUid) -> String {
    format!("{}/{cluster}", kept_audits_dir(h))
}

/// The directory of the shared ports of a hypervisor.
pub fn shared_ports_dir(h: &Hypervisor) -> String {
    format!("{}/passthrough", h.spec.data_dir.trim_end_matches('/'))
}

/// The labels of all pods of a node.
pub fn node_labels(cluster: ClusterUid, node: &NodeName) -> Labels {
    [(label::CLUSTER_UID, cluster.to_string()), (label::NODE, node.to_string())]
        .map(|(k, v)| (k.to_owned(), v))
        .into()
}

/// The labels that name one pod of a node.
pub fn pod_labels(cluster: ClusterUid, node: &NodeName, pod: &str) -> Labels {
    let mut labels = node_labels(cluster, node);
    labels.insert(label::POD.to_owned(), pod.to_owned());
    labels
}

/// Labels that help people; nothing selects by them.
pub fn extra_labels(cluster: &ClusterName) -> Labels {
    [(label::CLUSTER.to_owned(), cluster.to_string())].into()
}
