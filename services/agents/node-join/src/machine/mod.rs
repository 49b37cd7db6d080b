//! This machine: its paths, and its state.

mod check;

use crate::documents;
use crate::error::JoinError;
use crate::files::{self, failed, read};
use crate::record::Record;
use crate::{Join, tunnel};
use oi_kube::Identity;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// A machine by its root directory, which is `/` except in tests.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine { root: PathBuf::from("/") }
    }
}

/// Where kubeadm and the kubelet keep their files.
pub const KUBELET_CONF: &str = "etc/kubernetes/kubelet.conf";
pub const BOOTSTRAP_CONF: &str = "etc/kubernetes/bootstrap-kubelet.conf";
pub const AUTHORITY: &str = "etc/kubernetes/pki/ca.crt";
pub const CONFIG: &str = "var/lib/kubelet/config.yaml";
pub const FLAGS: &str = "var/lib/kubelet/kubeadm-flags.env";
pub const CERTIFICATE: &str = "var/lib/kubelet/pki/kubelet-client-current.pem";
const RECORD: &str = "etc/kubernetes/oi-node.json";

impl Machine {
    /// A path on the machine.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Writes the kubelet's flags.
    pub(crate) fn write_flags(
        &self,
        join: &Join,
        address: Option<Ipv4Addr>,
    ) -> Result<(), JoinError> {
        files::write(&self.path(FLAGS), 0o644, &documents::flags(join, address))
    }

    /// Writes the kubeconfig with which kubeadm finds the API.
    pub(crate) fn write_discovery(&self, join: &Join) -> Result<(), JoinError> {
        files::write(&self.path(documents::DISCOVERY), 0o600, &documents::discovery(join))
    }

    /// What oi made of this machine, or began to.
    pub(crate) fn record(&self) -> Result<Option<Record>, JoinError> {
        let path = self.path(RECORD);
        let Some(text) = read(&path)? else { return Ok(None) };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|e| JoinError::Damaged { path, problem: e.to_string() })
    }

    /// Whether it is a node of any cluster.
    pub(crate) fn is_node(&self) -> bool {
        [KUBELET_CONF, BOOTSTRAP_CONF, "etc/kubernetes/manifests/kube-apiserver.yaml"]
            .iter()
            .any(|path| self.path(path).exists())
    }

    /// Whether its kubelet has credentials of its own.
    pub(crate) fn is_member(&self) -> bool {
        self.path(KUBELET_CONF).exists() && self.path(CERTIFICATE).exists()
    }

    /// Writes the record, before anything else is written.
    pub(crate) fn write_record(&self, record: &Record) -> Result<(), JoinError> {
        files::write_json(&self.path(RECORD), record)
    }

    /// Writes all files that a kubelet needs. `address` is the node's, if it is not the
    /// machine's own.
    pub(crate) fn write(
        &self,
        join: &Join,
        config: &Value,
        address: Option<Ipv4Addr>,
    ) -> Result<(), JoinError> {
        files::write(&self.path(AUTHORITY), 0o644, &join.authorities)?;
        self.write_flags(join, address)?;
        files::write(
            &self.path(CONFIG),
            0o644,
            &documents::kubelet_config(join, config, self.has_systemd()),
        )?;
        let manifests = self.path("etc/kubernetes/manifests");
        std::fs::create_dir_all(&manifests).map_err(failed(&manifests))?;
        // The last file: the kubelet starts once it exists.
        files::write(&self.path(BOOTSTRAP_CONF), 0o600, &documents::bootstrap_kubeconfig(join))
    }

    /// The kubelet's own client certificate, if it has one.
    pub(crate) fn own_credentials(&self) -> Result<Option<Identity>, JoinError> {
        if !self.path(KUBELET_CONF).exists() {
            return Ok(None);
        }
        // One file has both certificate and key.
        let Some(pem) = read(&self.path(CERTIFICATE))? else { return Ok(None) };
        Ok(Some(Identity::Certificate { certificate: pem.clone(), key: pem }))
    }

    /// Removes the token from the disk.
    pub(crate) fn forget_token(&self) -> Result<(), JoinError> {
        files::remove(&self.path(BOOTSTRAP_CONF)).map(drop)
    }

    /// Removes everything of the node, and the record last. Logs stay, and what the container
    /// runtime has.
    pub(crate) fn clear(&self) -> Result<(), JoinError> {
        for path in [
            KUBELET_CONF,
            BOOTSTRAP_CONF,
            AUTHORITY,
            "etc/kubernetes/manifests",
            "etc/cni/net.d/10-flannel.conflist",
            "var/lib/kubelet",
            documents::DISCOVERY,
            tunnel::CONFIG,
            tunnel::KEY,
            RECORD,
        ] {
            files::remove(&self.path(path))?;
        }
        for dir in ["etc/kubernetes/pki", "etc/kubernetes"] {
            files::remove_empty(&self.path(dir))?;
        }
        Ok(())
    }

    /// Where a daemon without systemd keeps its pid.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.path("run/oi")
    }

    /// Whether systemd runs the machine (sd_booted(3)).
    pub(crate) fn has_systemd(&self) -> bool {
        self.path("run/systemd/system").is_dir()
    }
}
