//! What runs for as long as the machine is a node: units of systemd, or, without systemd, daemons
//! under a supervisor of ours.

mod supervisor;
mod systemd;

use crate::error::JoinError;
use crate::files::failed;
use crate::machine::Machine;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A service.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Its name, and that of its unit.
    pub name: &'static str,
    /// The hidden verb of its supervisor: `oi node …`.
    pub supervisor: &'static str,
}

/// The kubelet.
pub const KUBELET: Service = Service { name: "kubelet", supervisor: "supervise-kubelet" };
/// The link to the hub of the cluster's tunnel.
pub const LINK: Service = Service { name: "oi-tunnel", supervisor: "supervise-link" };

impl Machine {
    /// Where to read the service's log.
    pub(crate) fn log_of(&self, service: Service) -> String {
        if self.has_systemd() {
            format!("journalctl -u {}", service.name)
        } else {
            self.log_file(service).display().to_string()
        }
    }

    /// Whether the service runs under systemd or a supervisor.
    pub(crate) fn is_running(&self, service: Service) -> bool {
        if self.has_systemd() { systemd::is_active(service) } else { self.is_supervised(service) }
    }

    /// Starts the service, and restarts it if `restart` says so and systemd runs it. `unit` is its
    /// unit, unless the machine has one. Returns what was done.
    pub(crate) fn start(
        &self,
        service: Service,
        unit: &str,
        restart: bool,
    ) -> Result<String, JoinError> {
        if self.has_systemd() {
            self.start_unit(service, unit, restart)
        } else {
            self.start_supervisor(service)
        }
    }

    /// Stops the service, and what supervises it.
    pub(crate) fn stop(&self, service: Service) -> Result<(), JoinError> {
        if self.has_systemd() { self.stop_unit(service) } else { self.stop_supervisor(service) }
    }
}

/// Runs a command. Returns its standard output.
pub fn run(command: &mut Command) -> Result<String, JoinError> {
    let text = format!("{command:?}");
    let failed = |stderr: String| JoinError::Program { command: text.clone(), stderr };
    let output = command.stdin(Stdio::null()).output().map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// The path of this program.
pub fn own_program() -> Result<PathBuf, JoinError> {
    std::env::current_exe().map_err(failed(Path::new("/proc/self/exe")))
}
