//! Objects of the Kubernetes API: where they are, and whose.

use oi_cri::{Request, Verb};
use serde_json::{Value, json};

/// Who sets fields, in the words of server-side apply.
pub const MANAGER: &str = "oi";
/// The label of all that oi keeps inside of a cluster.
pub const LABEL: &str = "oi/kept";

/// Kinds of which there may be objects that are no longer wanted: apiVersion, kind, plural,
/// whether they are in namespaces.
pub const KINDS: [(&str, &str, &str, bool); 15] = [
    ("apps/v1", "DaemonSet", "daemonsets", true),
    ("apps/v1", "Deployment", "deployments", true),
    ("v1", "Service", "services", true),
    ("v1", "ConfigMap", "configmaps", true),
    ("v1", "Secret", "secrets", true),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", true),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", true),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", false),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false),
    ("v1", "ServiceAccount", "serviceaccounts", true),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", true),
    ("v1", "Endpoints", "endpoints", true),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", true),
    ("v1", "ResourceQuota", "resourcequotas", true),
    ("v1", "Namespace", "namespaces", false),
];

/// One object, whole. It may be a Secret, and is not shown.
#[derive(Clone, PartialEq)]
pub struct Object(pub Value);

fn prefix(api_version: &str) -> String {
    if api_version.contains('/') {
        format!("/apis/{api_version}")
    } else {
        format!("/api/{api_version}")
    }
}

impl Object {
    /// An object of a kind with a name; `namespace` is empty for those in none.
    pub fn new(api_version: &str, kind: &str, namespace: &str, name: &str, rest: Value) -> Object {
        let mut metadata = json!({"name": name, "labels": {LABEL: "true"}});
        if !namespace.is_empty() {
            metadata["namespace"] = json!(namespace);
        }
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
        if let (Some(object), Value::Object(rest)) = (object.as_object_mut(), rest) {
            object.extend(rest);
        }
        Object(object)
    }

    /// With one more label.
    pub fn labelled(mut self, name: &str, value: &str) -> Object {
        self.0["metadata"]["labels"][name] = json!(value);
        self
    }

    /// The object's kind, namespace and name, for people.
    pub fn title(&self) -> String {
        title(&self.0)
    }

    /// Where it is in the API; none for a kind that is not in [`KINDS`].
    pub fn path(&self) -> Option<String> {
        path(&self.0)
    }

    /// Makes it so: fields that are said here are oi's, all others are left alone.
    pub fn apply(&self) -> Option<Request> {
        let path = format!("{}?fieldManager={MANAGER}&force=true", self.path()?);
        Some(Request::with(Verb::Apply, path, &self.0))
    }
}

/// An object's kind, namespace and name.
pub fn title(object: &Value) -> String {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

fn path(object: &Value) -> Option<String> {
    let (api_version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
    let name = object["metadata"]["name"].as_str()?;
    let (_, _, plural, namespaced) =
        KINDS.iter().find(|(version, k, _, _)| *version == api_version && *k == kind)?;
    let prefix = prefix(api_version);
    Some(match object["metadata"]["namespace"].as_str() {
        Some(namespace) if *namespaced => {
            format!("{prefix}/namespaces/{namespace}/{plural}/{name}")
        }
        _ => format!("{prefix}/{plural}/{name}"),
    })
}

/// Lists what oi keeps, of each of [`KINDS`].
pub fn list_kept() -> Vec<Request> {
    let one = |(version, _, plural, _): &(&str, &str, &str, bool)| {
        Request::get(format!("{}/{plural}?labelSelector={LABEL}", prefix(version)))
    };
    KINDS.iter().map(one).collect()
}

/// The objects of a list, each with its kind.
pub fn listed(list: &Value, (version, kind, _, _): &(&str, &str, &str, bool)) -> Vec<Value> {
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let with_kind = |mut item: Value| {
        item["apiVersion"] = json!(version);
        item["kind"] = json!(kind);
        item
    };
    items.into_iter().map(with_kind).collect()
}

/// Removes an object, unless it was replaced by another of that name.
pub fn delete(object: &Value) -> Option<Request> {
    let uid = object["metadata"]["uid"].as_str()?;
    let options = json!({
        "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
        "preconditions": {"uid": uid},
    });
    Some(Request::with(Verb::Delete, path(object)?, &options))
}

/// Whether of all that is said of an object nothing is otherwise in one state of it than in
/// another: what others say beside does not count.
pub fn is_same(said: &Value, before: Option<&Value>, after: Option<&Value>) -> bool {
    let (Value::Object(said), Some(b), Some(a)) = (said, before, after) else {
        return before == after;
    };
    said.iter().all(|(key, value)| is_same(value, b.get(key), a.get(key)))
}

/// Whether oi made an object: by who set its fields. A label can be taken away, or be copied,
/// as it is from a Service to its Endpoints.
pub fn is_ours(object: &Value) -> bool {
    let managers = object["metadata"]["managedFields"].as_array();
    let applied = |entry: &Value| entry["manager"] == MANAGER && entry["operation"] == "Apply";
    managers.is_some_and(|m| m.iter().any(applied))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_beside_is_no_change() {
        let said = json!({"metadata": {"name": "x"}, "subjects": [{"name": "a"}], "n": 0});
        let is = |subjects: Value| json!({"metadata": {"name": "x", "resourceVersion": "7"}, "subjects": subjects});
        let ours = is(json!([{"name": "a"}]));
        let mut others = ours.clone();
        others["metadata"]["annotations"] = json!({"mine": "yes"});
        assert!(is_same(&said, Some(&others), Some(&ours)));
        let more = is(json!([{"name": "a"}, {"name": "system:anonymous"}]));
        assert!(!is_same(&said, Some(&more), Some(&ours)), "what was taken back");
        assert!(is_same(&said, Some(&more), Some(&more)), "what others may say there");
        assert!(!is_same(&said, Some(&json!({})), Some(&ours)));
    }

    #[test]
    fn an_object_is_ours_by_who_applied_it() {
        let with = |manager: &str, operation: &str| {
            is_ours(&json!({"metadata": {
                "labels": {LABEL: "true"},
                "managedFields": [{"manager": manager, "operation": operation}],
            }}))
        };
        assert!(with("oi", "Apply"));
        assert!(!with("kube-controller-manager", "Update"), "it copies labels of Services");
    }

    #[test]
    fn each_kind_has_its_place_in_the_api() {
        let at = |version: &str, kind: &str, namespace: &str| {
            Object::new(version, kind, namespace, "x", json!({})).path()
        };
        assert_eq!(
            at("apps/v1", "DaemonSet", "a").as_deref(),
            Some("/apis/apps/v1/namespaces/a/daemonsets/x")
        );
        assert_eq!(at("v1", "Namespace", "").as_deref(), Some("/api/v1/namespaces/x"));
        assert_eq!(at("v1", "Pod", "a"), None);
    }
}
