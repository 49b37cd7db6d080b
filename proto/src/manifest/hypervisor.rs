//! Kind `Hypervisor`.

use crate::v1;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Host ports that may be used, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortRange {
    /// First port.
    pub low: u16,
    /// Last port.
    pub high: u16,
}

/// PEM files on the worker's machine for mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TlsFiles {
    /// The authority that signed the endpoint's certificate.
    pub ca_file: String,
    /// Client certificate.
    pub certificate_file: String,
    /// Client key.
    pub key_file: String,
}

/// A machine that exposes a CRI socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HypervisorSpec {
    /// `unix:///path` or `tcp://host:port`.
    pub cri_endpoint: String,
    /// For `tcp://` endpoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFiles>,
    /// Public ones carry ingresses, private ones control planes.
    #[serde(default)]
    pub public: bool,
    /// IP address where host ports are reached.
    pub address: String,
    /// Host ports that may be used.
    pub port_range: PortRange,
    /// Directory on the hypervisor for files and etcd data.
    #[serde(default = "default_data_dir")]
    pub data_dir: String,
    /// How many nodes it may carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_nodes: Option<u32>,
    /// Host ports beside those of its range that clusters may share; where this is absent,
    /// they stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_ports: Option<Vec<u16>>,
}

fn default_data_dir() -> String {
    "/var/lib/oi".to_owned()
}

impl From<&TlsFiles> for v1::TlsFiles {
    fn from(files: &TlsFiles) -> v1::TlsFiles {
        v1::TlsFiles {
            ca_file: files.ca_file.clone(),
            certificate_file: files.certificate_file.clone(),
            key_file: files.key_file.clone(),
        }
    }
}

impl HypervisorSpec {
    /// The command that registers it.
    pub fn register(&self, name: &str) -> v1::RegisterHypervisor {
        v1::RegisterHypervisor {
            name: name.to_owned(),
            cri_endpoint: self.cri_endpoint.clone(),
            tls: self.tls.as_ref().map(v1::TlsFiles::from),
            public: self.public,
            address: self.address.clone(),
            port_low: self.port_range.low.into(),
            port_high: self.port_range.high.into(),
            data_dir: self.data_dir.clone(),
            max_nodes: self.max_nodes.unwrap_or(0),
        }
    }

    /// The command that lets clusters share its ports, where it says which.
    pub fn share_ports(&self, name: &str) -> Option<v1::SharePorts> {
        let ports = self.shared_ports.as_deref()?;
        Some(v1::SharePorts { name: name.to_owned(), ports: sorted_ports(ports) })
    }
}

/// Ports as the log has them: in order, each once.
pub fn sorted_ports(ports: &[u16]) -> Vec<u32> {
    let all: BTreeSet<u16> = ports.iter().copied().collect();
    all.into_iter().map(u32::from).collect()
}
