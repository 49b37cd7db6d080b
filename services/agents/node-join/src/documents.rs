//! The content of the files that joining writes.

use crate::Join;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// The file of [`discovery`].
pub const DISCOVERY: &str = "etc/kubernetes/oi-discovery.conf";

/// The kubeconfig with which kubeadm finds and trusts the API.
pub fn discovery(join: &Join) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "", "users": [], "contexts": [],
        "clusters": [{"name": "", "cluster": {
            "server": format!("https://{}", join.endpoint),
            "certificate-authority-data": STANDARD.encode(&join.authorities),
        }}],
    })
    .to_string()
}

/// The configuration of `kubeadm join` on a machine with a link.
pub fn join_configuration(join: &Join, address: Ipv4Addr) -> String {
    let config = json!({
        "apiVersion": "kubeadm.k8s.io/v1beta4", "kind": "JoinConfiguration",
        "discovery": {
            "file": {"kubeConfigPath": format!("/{DISCOVERY}")}, "tlsBootstrapToken": join.token,
        },
        "nodeRegistration": {
            "name": join.node, "criSocket": join.runtime,
            "kubeletExtraArgs": [{"name": "node-ip", "value": address.to_string()}],
        },
    });
    format!("{config:#}\n")
}

/// The kubeconfig with which a kubelet asks for its certificate.
pub fn bootstrap_kubeconfig(join: &Join) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "bootstrap",
        "clusters": [{"name": "cluster", "cluster": {
            "server": format!("https://{}", join.endpoint),
            "certificate-authority-data": STANDARD.encode(&join.authorities),
        }}],
        "users": [{"name": "bootstrap", "user": {"token": join.token}}],
        "contexts": [{"name": "bootstrap", "context": {"cluster": "cluster", "user": "bootstrap"}}],
    })
    .to_string()
}

/// The cluster's configuration for kubelets, with this machine's settings.
pub fn kubelet_config(join: &Join, cluster: &Value, systemd: bool) -> String {
    let mut config = cluster.clone();
    // The kubelet asks runtimes that tell their cgroup driver; all others must use systemd's.
    if systemd && config.get("cgroupDriver").is_none() {
        config["cgroupDriver"] = json!("systemd");
    }
    config["containerRuntimeEndpoint"] = json!(join.runtime);
    config.to_string()
}

/// The kubelet's flags, in the file where kubeadm has them.
pub fn flags(join: &Join, address: Option<Ipv4Addr>) -> String {
    let address = address.map(|a| format!(" --node-ip={a}")).unwrap_or_default();
    format!("KUBELET_KUBEADM_ARGS=\"--hostname-override={}{address}\"\n", join.node)
}
