//! The kinds of objects that add-ons consist of.

use super::LABEL;
use serde_json::{Value, json};

/// A kind of object.
pub struct Kind {
    /// Its `apiVersion`.
    pub api_version: &'static str,
    /// Its `kind`.
    pub kind: &'static str,
    /// Its name in paths.
    pub plural: &'static str,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

const fn namespaced(api_version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { api_version, kind, plural, namespaced: true }
}

const fn cluster_wide(api_version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind { api_version, kind, plural, namespaced: false }
}

const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// All kinds of add-ons, of this release and of those before: unwanted objects are looked for
/// among these.
pub const KINDS: [Kind; 15] = [
    namespaced("apps/v1", "DaemonSet", "daemonsets"),
    namespaced("apps/v1", "Deployment", "deployments"),
    namespaced("v1", "Service", "services"),
    namespaced("v1", "ConfigMap", "configmaps"),
    namespaced("v1", "Secret", "secrets"),
    namespaced(RBAC, "RoleBinding", "rolebindings"),
    namespaced(RBAC, "Role", "roles"),
    cluster_wide(RBAC, "ClusterRoleBinding", "clusterrolebindings"),
    cluster_wide(RBAC, "ClusterRole", "clusterroles"),
    namespaced("v1", "ServiceAccount", "serviceaccounts"),
    namespaced("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    namespaced("v1", "Endpoints", "endpoints"),
    namespaced("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    namespaced("v1", "ResourceQuota", "resourcequotas"),
    cluster_wide("v1", "Namespace", "namespaces"),
];

impl Kind {
    fn prefix(&self) -> String {
        let api = if self.api_version.contains('/') { "apis" } else { "api" };
        format!("/{api}/{}", self.api_version)
    }

    /// The path of all objects of this kind.
    pub fn path(&self) -> String {
        format!("{}/{}", self.prefix(), self.plural)
    }

    /// The path of an object in a namespace.
    pub fn path_in(&self, namespace: &str, name: &str) -> String {
        format!("{}/namespaces/{namespace}/{}/{name}", self.prefix(), self.plural)
    }

    /// The path of the objects of this kind with the label of add-ons.
    pub fn labelled(&self) -> String {
        format!("{}?labelSelector={LABEL}", self.path())
    }

    /// An item of a list, as an object. Kubernetes leaves out kind and version of items.
    pub fn object(&self, mut item: Value) -> Value {
        item["apiVersion"] = json!(self.api_version);
        item["kind"] = json!(self.kind);
        item
    }
}
