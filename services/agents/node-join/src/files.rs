//! What a node has on its disk.

use crate::Join;
use crate::error::JoinError;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What [`discovery`] says.
pub const DISCOVERY: &str = "etc/kubernetes/oi-discovery.conf";

/// What this machine was asked to be: written first and removed last, so that whoever comes
/// after a crash knows what is half done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The node's name.
    pub node: String,
    /// `host:port` of the API.
    pub endpoint: String,
    /// The certificates by which it is trusted, PEM.
    pub authorities: String,
    /// The container runtime's socket.
    pub runtime: String,
}

impl Record {
    /// What is asked for.
    pub fn of(join: &Join) -> Record {
        Record {
            node: join.node.clone(),
            endpoint: join.endpoint.clone(),
            authorities: join.authorities.clone(),
            runtime: join.runtime.clone(),
        }
    }
}

/// The error of a path.
pub fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> JoinError + use<> {
    let path = path.to_owned();
    move |source| JoinError::File { path, source }
}

/// Reads a file; none where there is none.
pub fn read(path: &Path) -> Result<Option<String>, JoinError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed(path)(e)),
    }
}

/// Writes a file whole or not at all.
pub fn write(path: &Path, mode: u32, content: &str) -> Result<(), JoinError> {
    if let Some(dir) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o755).create(dir).map_err(failed(dir))?;
    }
    let part = PathBuf::from(format!("{}.part", path.display()));
    match fs::remove_file(&part) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(&part)(e)),
        _ => {}
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&part)
        .map_err(failed(&part))?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_data()).map_err(failed(&part))?;
    fs::rename(&part, path).map_err(failed(path))
}

/// Removes a file or a directory with all that is in it; whether it was there.
pub fn remove(path: &Path) -> Result<bool, JoinError> {
    let gone = match fs::symlink_metadata(path) {
        Ok(m) if m.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match gone {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(failed(path)(e)),
    }
}

/// Where kubeadm finds the API, and whom to trust.
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

/// What `kubeadm join` is to do on a machine with a link.
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

/// The cluster's configuration for kubelets, with what is this machine's.
pub fn kubelet_config(join: &Join, cluster: &Value, systemd: bool) -> String {
    let mut config = cluster.clone();
    // Runtimes that say which one they use are asked; the others do as systemd does.
    if systemd && config.get("cgroupDriver").is_none() {
        config["cgroupDriver"] = json!("systemd");
    }
    config["containerRuntimeEndpoint"] = json!(join.runtime);
    config.to_string()
}

/// What is said to the kubelet beside its configuration, where kubeadm says it.
pub fn flags(join: &Join, address: Option<Ipv4Addr>) -> String {
    let address = address.map(|a| format!(" --node-ip={a}")).unwrap_or_default();
    format!("KUBELET_KUBEADM_ARGS=\"--hostname-override={}{address}\"\n", join.node)
}
