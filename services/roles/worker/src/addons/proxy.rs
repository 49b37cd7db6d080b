//! kube-proxy: makes Services reachable on each node.

use super::template::Values;
use super::{ClusterContext, Object, TemplateError, digest, render};
use serde_json::json;

const DIR: &str = "/var/lib/kube-proxy";

pub fn objects(cluster: &ClusterContext) -> Result<Vec<Object>, TemplateError> {
    let (kubeconfig, config) = (kubeconfig(cluster), config(cluster));
    let values = Values::from([
        ("digest", json!(digest(&format!("{kubeconfig}{config}")))),
        ("kubeconfig", json!(kubeconfig)),
        ("config", json!(config)),
        ("version", json!(cluster.cluster.spec.kubernetes_version.to_string())),
    ]);
    render(include_str!("templates/kube-proxy.yaml"), &values)
}

/// How it reaches the API, with the token of its service account.
fn kubeconfig(cluster: &ClusterContext) -> String {
    let account = "/var/run/secrets/kubernetes.io/serviceaccount";
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "default",
        "clusters": [{"name": "default", "cluster": {
            "certificate-authority": format!("{account}/ca.crt"),
            "server": format!("https://{}", cluster.endpoint),
        }}],
        "users": [{"name": "default", "user": {"tokenFile": format!("{account}/token")}}],
        "contexts": [{"name": "default", "context": {
            "cluster": "default", "namespace": "default", "user": "default",
        }}],
    })
    .to_string()
}

fn config(cluster: &ClusterContext) -> String {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "bindAddress": "0.0.0.0",
        "clientConnection": {"kubeconfig": format!("{DIR}/kubeconfig.conf")},
        "clusterCIDR": cluster.cluster.spec.pod_cidr,
        // The kernel's connection table is for the machine's administrator to size.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
        "healthzBindAddress": "0.0.0.0:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "mode": "iptables",
    })
    .to_string()
}
