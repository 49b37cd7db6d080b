//! The kubelet, under systemd and without.

use crate::error::JoinError;
use crate::files::read;
use crate::machine::{CONFIG, FLAGS, Machine};
use crate::service::KUBELET;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Finds the kubelet's program.
pub fn find() -> Result<PathBuf, JoinError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join("kubelet"))
        .find(|p| p.is_file())
        .ok_or(JoinError::Missing { program: "kubelet" })
}

fn unit(kubelet: &Path) -> String {
    format!(
        "[Unit]
Description=kubelet: the Kubernetes node agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart={} --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
",
        kubelet.display()
    )
}

impl Machine {
    /// Whether a kubelet runs under systemd or our supervisor.
    pub(crate) fn is_kubelet_running(&self) -> bool {
        self.is_running(KUBELET)
    }

    /// Starts the kubelet, and restarts it if `restart` says so. Returns what was done.
    pub(crate) fn start_kubelet(&self, kubelet: &Path, restart: bool) -> Result<String, JoinError> {
        self.start(KUBELET, &unit(kubelet), restart)
    }

    /// Stops the kubelet.
    pub(crate) fn stop_kubelet(&self) -> Result<(), JoinError> {
        self.stop(KUBELET)
    }
}

/// The words of a variable in a file of assignments, as systemd's EnvironmentFile has them.
fn words(text: &str, variable: &str) -> Vec<String> {
    let value = text
        .lines()
        .filter_map(|line| line.trim().split_once('='))
        .filter(|(name, _)| *name == variable)
        .map(|(_, value)| value.trim().trim_matches('"').to_owned())
        .next_back();
    value.iter().flat_map(|v| v.split_whitespace()).map(str::to_owned).collect()
}

fn arguments(machine: &Machine) -> Result<Vec<String>, JoinError> {
    let mut all = [
        "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
        "--kubeconfig=/etc/kubernetes/kubelet.conf",
        "--config=/var/lib/kubelet/config.yaml",
    ]
    .map(str::to_owned)
    .to_vec();
    let flags = read(&machine.path(FLAGS))?.unwrap_or_default();
    all.extend(words(&flags, "KUBELET_KUBEADM_ARGS"));
    let more = read(&machine.path("etc/default/kubelet"))?.unwrap_or_default();
    all.extend(words(&more, "KUBELET_EXTRA_ARGS"));
    Ok(all)
}

/// Supervises the kubelet on a machine without systemd, for as long as there is a configuration.
/// It also waits for a configuration, so that `kubeadm join` finds it running. Returns only if
/// another supervisor lives.
///
/// # Errors
/// If its files cannot be written.
pub fn supervise(machine: &Machine) -> Result<(), JoinError> {
    machine.supervise(KUBELET, &machine.path(CONFIG), || {
        let mut command = Command::new(find()?);
        command.args(arguments(machine)?);
        Ok(command)
    })
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn the_last_assignment_counts() {
        let text =
            "# KUBELET_EXTRA_ARGS=--no\nKUBELET_EXTRA_ARGS=\nKUBELET_EXTRA_ARGS=\"--a=1  --b\"\n";
        assert_eq!(words(text, "KUBELET_EXTRA_ARGS"), ["--a=1", "--b"]);
        assert!(words(text, "OTHER").is_empty());
    }
}
