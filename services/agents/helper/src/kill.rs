//! Kills processes that a container runtime lost track of.
//!
//! A call that is cut off halfway, because the worker was killed, for example, can leave a process
//! that the runtime believes to be gone, and therefore neither stops nor removes.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// Why nothing was killed.
#[derive(Debug, thiserror::Error)]
pub enum KillError {
    /// Not the id of a container.
    #[error("{0:?} is not the id of a container: 64 hexadecimal digits")]
    NotAnId(String),
    /// The list of processes cannot be read.
    #[error("/proc cannot be read")]
    Proc(#[source] std::io::Error),
}

/// Kills all processes in the cgroup of a container. Returns how many there were.
///
/// # Errors
/// If the id is malformed.
pub fn kill_container(id: &str) -> Result<usize, KillError> {
    if id.len() != 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(KillError::NotAnId(id.to_owned()));
    }
    let is_inside = |pid: i32| {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        groups.lines().any(|line| line.split(['/', ':']).any(|part| part.contains(id)))
    };
    let mut killed = 0;
    for entry in fs::read_dir("/proc").map_err(KillError::Proc)?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid.filter(|pid| is_inside(*pid))
            && let Some(process) = Pid::from_raw(pid)
            && kill_process(process, Signal::KILL).is_ok()
        {
            killed += 1;
        }
    }
    Ok(killed)
}
