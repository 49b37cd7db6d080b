//! kube-proxy: makes Services reachable, on each node.

use super::join::bind;
use super::{Object, Subject};
use serde_json::json;
use sha2::{Digest, Sha256};

const SYSTEM: &str = "kube-system";
const NAME: &str = "kube-proxy";
const DIR: &str = "/var/lib/kube-proxy";

/// How it reaches the API, with its service account's token.
fn kubeconfig(subject: &Subject) -> String {
    let account = "/var/run/secrets/kubernetes.io/serviceaccount";
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "default",
        "clusters": [{"name": "default", "cluster": {
            "certificate-authority": format!("{account}/ca.crt"),
            "server": format!("https://{}", subject.endpoint),
        }}],
        "users": [{"name": "default", "user": {"tokenFile": format!("{account}/token")}}],
        "contexts": [{"name": "default", "context": {
            "cluster": "default", "namespace": "default", "user": "default",
        }}],
    })
    .to_string()
}

fn config(subject: &Subject) -> String {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": "0.0.0.0",
        "clientConnection": {"kubeconfig": format!("{DIR}/kubeconfig.conf")},
        "clusterCIDR": subject.cluster.spec.pod_cidr,
        // The kernel's table of connections is the machine's own business.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
        "healthzBindAddress": "0.0.0.0:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "mode": "iptables",
    })
    .to_string()
}

/// Names what pods are to be started anew for.
pub fn digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..8])
}

pub fn objects(subject: &Subject) -> Vec<Object> {
    let (kubeconfig, config) = (kubeconfig(subject), config(subject));
    let version = &subject.cluster.spec.kubernetes_version;
    let changed = digest(&format!("{kubeconfig}{config}"));
    let labels = json!({"k8s-app": NAME});
    let data = json!({"kubeconfig.conf": kubeconfig, "config.conf": config});
    let container = json!({
        "name": NAME,
        "image": format!("registry.k8s.io/kube-proxy:{version}"),
        "command": [
            "/usr/local/bin/kube-proxy",
            format!("--config={DIR}/config.conf"),
            "--hostname-override=$(NODE_NAME)",
        ],
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}],
        "securityContext": {"privileged": true},
        "volumeMounts": [
            {"name": "config", "mountPath": DIR},
            {"name": "xtables-lock", "mountPath": "/run/xtables.lock"},
            {"name": "lib-modules", "mountPath": "/lib/modules", "readOnly": true},
        ],
    });
    let spec = json!({
        "selector": {"matchLabels": labels},
        "updateStrategy": {"type": "RollingUpdate"},
        "template": {
            "metadata": {"labels": labels, "annotations": {"oi/config": changed}},
            "spec": {
                "containers": [container],
                "hostNetwork": true,
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "priorityClassName": "system-node-critical",
                "serviceAccountName": NAME,
                "tolerations": [{"operator": "Exists"}],
                "volumes": [
                    {"name": "config", "configMap": {"name": NAME}},
                    {"name": "xtables-lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}},
                    {"name": "lib-modules", "hostPath": {"path": "/lib/modules", "type": ""}},
                ],
            },
        },
    });
    let account = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": SYSTEM}]);
    vec![
        Object::new("v1", "ServiceAccount", SYSTEM, NAME, json!({})),
        bind("kubeadm:node-proxier", "system:node-proxier", account),
        Object::new("v1", "ConfigMap", SYSTEM, NAME, json!({"data": data})),
        Object::new("apps/v1", "DaemonSet", SYSTEM, NAME, json!({"spec": spec}))
            .labelled("k8s-app", NAME),
    ]
}
