//! Services as units of systemd.

use super::{Service, run};
use crate::error::JoinError;
use crate::files::{self, read};
use crate::machine::Machine;
use std::path::PathBuf;
use std::process::Command;

/// The first line of a unit of ours.
const MARK: &str = "# Written by `oi node join`.";

fn systemctl(args: &[&str]) -> Result<String, JoinError> {
    run(Command::new("systemctl").args(args))
}

pub fn is_active(service: Service) -> bool {
    systemctl(&["is-active", "--quiet", service.name]).is_ok()
}

impl Machine {
    fn unit_file(&self, service: Service) -> PathBuf {
        self.path(&format!("etc/systemd/system/{}.service", service.name))
    }

    /// Starts the service, now and at each boot.
    pub(super) fn start_unit(
        &self,
        service: Service,
        unit: &str,
        restart: bool,
    ) -> Result<String, JoinError> {
        let name = service.name;
        // The unit of a package is left as it is.
        if systemctl(&["cat", name]).is_err() {
            files::write(&self.unit_file(service), 0o644, &format!("{MARK}\n{unit}"))?;
            systemctl(&["daemon-reload"])?;
        }
        systemctl(&["enable", name])?;
        systemctl(&[if restart { "restart" } else { "start" }, name])?;
        Ok(format!("{name} is a service of systemd"))
    }

    /// Stops the service, and removes its unit if it is ours.
    pub(super) fn stop_unit(&self, service: Service) -> Result<(), JoinError> {
        let name = service.name;
        if systemctl(&["cat", name]).is_ok() {
            systemctl(&["disable", "--now", name])?;
        }
        let unit = read(&self.unit_file(service))?.unwrap_or_default();
        if unit.starts_with(MARK) && files::remove(&self.unit_file(service))? {
            systemctl(&["daemon-reload"])?;
        }
        Ok(())
    }
}
