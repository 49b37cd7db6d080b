//! This machine: where things are on it, and in which state it is.

use crate::error::JoinError;
use crate::files::{self, Record, failed, read};
use crate::{Join, kubelet, tunnel};
use oi_kube::Identity;
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const KUBELET_PORT: u16 = 10250;

/// A machine by its root directory: `/`, but in tests.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine { root: PathBuf::from("/") }
    }
}

/// Where kubeadm and the kubelet keep things.
pub const KUBELET_CONF: &str = "etc/kubernetes/kubelet.conf";
pub const BOOTSTRAP_CONF: &str = "etc/kubernetes/bootstrap-kubelet.conf";
pub const AUTHORITY: &str = "etc/kubernetes/pki/ca.crt";
pub const CONFIG: &str = "var/lib/kubelet/config.yaml";
pub const FLAGS: &str = "var/lib/kubelet/kubeadm-flags.env";
pub const CERTIFICATE: &str = "var/lib/kubelet/pki/kubelet-client-current.pem";
const RECORD: &str = "etc/kubernetes/oi-node.json";

/// RFC 1123 subdomain, as Kubernetes names nodes.
fn is_node_name(name: &str) -> bool {
    let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |l: &str| {
        let bytes = l.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|&c| edge(c) || c == b'-')
            && edge(bytes[0])
            && edge(bytes[bytes.len() - 1])
    };
    name.len() <= 253 && name.split('.').all(label)
}

fn is_token(token: &str) -> bool {
    let plain = |s: &str, n| {
        s.len() == n && s.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    token.split_once('.').is_some_and(|(id, secret)| plain(id, 6) && plain(secret, 16))
}

impl Machine {
    /// A path on it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Refuses what cannot work; the kubelet's program.
    pub(crate) fn check(&self, join: &Join) -> Result<PathBuf, JoinError> {
        self.check_words(join)?;
        let Some(socket) = join.runtime.strip_prefix("unix://").map(PathBuf::from) else {
            let (what, value, problem) =
                ("--cri-socket", join.runtime.clone(), "write unix:///path");
            return Err(JoinError::Invalid { what, value, problem });
        };
        UnixStream::connect(&socket).map_err(|_| JoinError::NoRuntime(socket))?;
        let kubelet = kubelet::find()?;
        // A kubelet whose supervisor was killed may be on its way out.
        let end = Instant::now() + Duration::from_secs(3);
        while !self.is_kubelet_running() && TcpListener::bind(("0.0.0.0", KUBELET_PORT)).is_err() {
            if Instant::now() >= end {
                return Err(JoinError::PortTaken(KUBELET_PORT));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(kubelet)
    }

    /// Refuses what nobody could work with.
    pub(crate) fn check_words(&self, join: &Join) -> Result<(), JoinError> {
        let invalid = |what, value: &str, problem| {
            Err(JoinError::Invalid { what, value: value.to_owned(), problem })
        };
        if !rustix::process::geteuid().is_root() {
            return Err(JoinError::NotRoot);
        }
        if !is_node_name(&join.node) {
            return invalid(
                "--nodename",
                &join.node,
                "use a-z, 0-9, '-' and '.', as a DNS name has them",
            );
        }
        let port = |e: &str| {
            e.rsplit_once(':').is_some_and(|(h, p)| !h.is_empty() && p.parse::<u16>().is_ok())
        };
        if !port(&join.endpoint) || join.endpoint.contains('/') {
            return invalid("--apiserver-endpoint", &join.endpoint, "write host:port");
        }
        if !is_token(&join.token) {
            return invalid(
                "--join-token",
                "(not shown)",
                "it has the form abcdef.0123456789abcdef",
            );
        }
        Ok(())
    }

    /// What the kubelet is told beside its configuration.
    pub(crate) fn write_flags(
        &self,
        join: &Join,
        address: Option<Ipv4Addr>,
    ) -> Result<(), JoinError> {
        files::write(&self.path(FLAGS), 0o644, &files::flags(join, address))
    }

    /// Where kubeadm is to look.
    pub(crate) fn write_discovery(&self, join: &Join) -> Result<(), JoinError> {
        files::write(&self.path(files::DISCOVERY), 0o600, &files::discovery(join))
    }

    /// What oi made it, or began to.
    pub(crate) fn record(&self) -> Result<Option<Record>, JoinError> {
        let path = self.path(RECORD);
        let Some(text) = read(&path)? else { return Ok(None) };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|e| JoinError::Damaged { path, problem: e.to_string() })
    }

    /// Whether it is anybody's node.
    pub(crate) fn is_node(&self) -> bool {
        [KUBELET_CONF, BOOTSTRAP_CONF, "etc/kubernetes/manifests/kube-apiserver.yaml"]
            .iter()
            .any(|path| self.path(path).exists())
    }

    /// Whether its kubelet has credentials of its own.
    pub(crate) fn is_member(&self) -> bool {
        self.path(KUBELET_CONF).exists() && self.path(CERTIFICATE).exists()
    }

    /// What it is to be, before anything else is written.
    pub(crate) fn write_record(&self, record: &Record) -> Result<(), JoinError> {
        let text = serde_json::to_string_pretty(record).unwrap_or_default();
        files::write(&self.path(RECORD), 0o600, &text)
    }

    /// All that a kubelet needs. `address` is that of its node, where it is not the
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
            &files::kubelet_config(join, config, self.has_systemd()),
        )?;
        let manifests = self.path("etc/kubernetes/manifests");
        std::fs::create_dir_all(&manifests).map_err(failed(&manifests))?;
        // The last one: with it the kubelet can begin.
        files::write(&self.path(BOOTSTRAP_CONF), 0o600, &files::bootstrap_kubeconfig(join))
    }

    /// The kubelet's own client certificate, once it has one.
    pub(crate) fn own_credentials(&self) -> Result<Option<Identity>, JoinError> {
        if !self.path(KUBELET_CONF).exists() {
            return Ok(None);
        }
        // Certificate and key are in one file.
        let Some(pem) = read(&self.path(CERTIFICATE))? else { return Ok(None) };
        Ok(Some(Identity::Certificate { certificate: pem.clone(), key: pem }))
    }

    /// The token is no longer on the disk.
    pub(crate) fn forget_token(&self) -> Result<(), JoinError> {
        files::remove(&self.path(BOOTSTRAP_CONF)).map(drop)
    }

    /// Nothing of the node is left; the record goes last. What the container runtime has,
    /// and logs, stay.
    pub(crate) fn clear(&self) -> Result<(), JoinError> {
        for path in [
            KUBELET_CONF,
            BOOTSTRAP_CONF,
            AUTHORITY,
            "etc/kubernetes/manifests",
            "etc/cni/net.d/10-flannel.conflist",
            "var/lib/kubelet",
            files::DISCOVERY,
            tunnel::CONFIG,
            tunnel::KEY,
            RECORD,
        ] {
            files::remove(&self.path(path))?;
        }
        for dir in ["etc/kubernetes/pki", "etc/kubernetes"] {
            // Only where nothing else is in it.
            let _ = std::fs::remove_dir(self.path(dir));
        }
        Ok(())
    }

    /// Where a daemon without systemd keeps its pid and log.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.path("run/oi")
    }

    /// Whether systemd runs the machine (sd_booted(3)).
    pub(crate) fn has_systemd(&self) -> bool {
        self.path("run/systemd/system").is_dir()
    }
}

#[cfg(test)]
mod tests {
    use super::{is_node_name, is_token};

    #[test]
    fn names_and_tokens_have_their_form() {
        assert!(is_node_name("a") && is_node_name("rack-7.example.org"));
        assert!(!is_node_name("") && !is_node_name("A") && !is_node_name("a..b"));
        assert!(!is_node_name("-a") && !is_node_name("a_b"));
        assert!(is_token("abcdef.0123456789abcdef"));
        assert!(!is_token("abcdef.0123456789abcde") && !is_token("abcdef") && !is_token(""));
    }
}
