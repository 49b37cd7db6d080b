//! Objects of the Kubernetes API: where they are, and who owns them.

mod kind;

pub use kind::{KINDS, Kind};

use crate::place::{Request, Verb};
use serde_json::{Value, json};

/// The field manager of oi, for server-side apply.
const MANAGER: &str = "oi";
/// The label of all add-ons.
pub const LABEL: &str = "oi/addon";

/// One whole object. It may be a Secret, and is never printed.
#[derive(Clone, PartialEq)]
pub struct Object(pub Value);

impl Object {
    /// An object with the label of add-ons. `namespace` is empty for a cluster-wide object.
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

    /// Adds a label.
    pub fn labelled(mut self, name: &str, value: &str) -> Object {
        self.0["metadata"]["labels"][name] = json!(value);
        self
    }

    /// Kind, namespace and name, for people.
    pub fn title(&self) -> String {
        title(&self.0)
    }

    /// The path in the API; none for a kind that is not in [`KINDS`].
    pub fn path(&self) -> Option<String> {
        path(&self.0)
    }

    /// A server-side apply: oi owns the fields of this object, and leaves all others alone.
    pub fn apply(&self) -> Option<Request> {
        let path = format!("{}?fieldManager={MANAGER}&force=true", self.path()?);
        Some(Request::with(Verb::Apply, path, &self.0))
    }
}

/// Kind, namespace and name of an object.
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
    let kind = KINDS.iter().find(|k| k.api_version == api_version && k.kind == kind)?;
    Some(match object["metadata"]["namespace"].as_str() {
        Some(namespace) if kind.namespaced => kind.path_in(namespace, name),
        _ => format!("{}/{name}", kind.path()),
    })
}

/// Deletes an object, unless another one has its name by now.
pub fn delete(object: &Value) -> Option<Request> {
    let uid = object["metadata"]["uid"].as_str()?;
    let options = json!({
        "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
        "preconditions": {"uid": uid},
    });
    Some(Request::with(Verb::Delete, path(object)?, &options))
}

/// Whether two states of an object agree in all fields that `applied` sets. Fields of others do
/// not count.
pub fn is_same(applied: &Value, before: Option<&Value>, after: Option<&Value>) -> bool {
    let (Value::Object(applied), Some(b), Some(a)) = (applied, before, after) else {
        return before == after;
    };
    applied.iter().all(|(key, value)| is_same(value, b.get(key), a.get(key)))
}

/// Whether oi owns an object, by who applied its fields. A label would not tell: anybody can
/// remove it, and Kubernetes copies labels, for example from a Service to its Endpoints.
pub fn is_ours(object: &Value) -> bool {
    let managers = object["metadata"]["managedFields"].as_array();
    let applied = |entry: &Value| entry["manager"] == MANAGER && entry["operation"] == "Apply";
    managers.is_some_and(|m| m.iter().any(applied))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_others_are_no_change() {
        let applied = json!({"metadata": {"name": "x"}, "subjects": [{"name": "a"}], "n": 0});
        let is = |subjects: Value| json!({"metadata": {"name": "x", "resourceVersion": "7"}, "subjects": subjects});
        let ours = is(json!([{"name": "a"}]));
        let mut others = ours.clone();
        others["metadata"]["annotations"] = json!({"mine": "yes"});
        assert!(is_same(&applied, Some(&others), Some(&ours)));
        let more = is(json!([{"name": "a"}, {"name": "system:anonymous"}]));
        assert!(!is_same(&applied, Some(&more), Some(&ours)), "it was taken back");
        assert!(is_same(&applied, Some(&more), Some(&more)), "others may own it");
        assert!(!is_same(&applied, Some(&json!({})), Some(&ours)));
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
