//! Ending what a container runtime lost sight of.
//!
//! A call that its caller gives up halfway (the worker was killed, say) can leave a
//! process that the runtime believes to be gone and therefore neither ends nor removes.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// Why nothing was ended.
#[derive(Debug, thiserror::Error)]
pub enum KillError {
    /// Not the id of a container.
    #[error("{0:?} is not the id of a container: 64 hexadecimal digits")]
    NotAnId(String),
    /// No processes to be seen.
    #[error("/proc cannot be read")]
    Proc(#[source] std::io::Error),
}

/// Kills all processes in the cgroup of a container; returns how many there were.
///
/// # Errors
/// Where the id is none.
pub fn kill_container(id: &str) -> Result<usize, KillError> {
    if id.len() != 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(KillError::NotAnId(id.to_owned()));
    }
    let addons = |pid: i32| {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        groups.lines().any(|line| line.split(['/', ':']).any(|part| part.contains(id)))
    };
    let mut killed = 0;
    for entry in fs::read_dir("/proc").map_err(KillError::Proc)?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid.filter(|pid| addons(*pid))
            && let Some(process) = Pid::from_raw(pid)
            && kill_process(process, Signal::KILL).is_ok()
        {
            killed += 1;
        }
    }
    Ok(killed)
}
