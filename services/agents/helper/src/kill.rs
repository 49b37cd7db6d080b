//! Kills processes that a container runtime lost track of.
//!
//! A call that is cut off halfway, because the worker was killed, for example, can leave a process
//! that the runtime believes to be gone, and therefore neither stops nor removes.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::ErrorKind;

/// Why nothing was killed.
#[derive(Debug, thiserror::Error)]
pub enum KillError {
    /// Not the id of a container.
    #[error("{0:?} is not the id of a container: 64 hexadecimal digits")]
    NotAnId(String),
    /// The list of processes cannot be read.
    #[error("/proc cannot be read")]
    Proc(#[source] std::io::Error),
    /// A process cannot be killed.
    #[error("process {0} cannot be killed")]
    Kill(i32, #[source] std::io::Error),
}

/// Whether a process is in the cgroup of a container.
fn is_inside(pid: i32, id: &str) -> Result<bool, KillError> {
    match fs::read_to_string(format!("/proc/{pid}/cgroup")) {
        Ok(groups) => {
            Ok(groups.lines().any(|line| line.split(['/', ':']).any(|part| part.contains(id))))
        }
        // It has ended meanwhile.
        Err(e)
            if e.kind() == ErrorKind::NotFound
                || e.raw_os_error() == Some(Errno::SRCH.raw_os_error()) =>
        {
            Ok(false)
        }
        Err(e) => Err(KillError::Proc(e)),
    }
}

/// Kills all processes in the cgroup of a container. Returns how many there were.
///
/// # Errors
/// If the id is malformed, or a process cannot be killed.
pub fn kill_container(id: &str) -> Result<usize, KillError> {
    if id.len() != 64 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(KillError::NotAnId(id.to_owned()));
    }
    let mut killed = 0;
    for entry in fs::read_dir("/proc").map_err(KillError::Proc)? {
        let name = entry.map_err(KillError::Proc)?.file_name();
        // Whatever has no number for a name is no process.
        let Some(Ok(pid)) = name.to_str().map(str::parse::<i32>) else { continue };
        let Some(process) = Pid::from_raw(pid) else { continue };
        if !is_inside(pid, id)? {
            continue;
        }
        match kill_process(process, Signal::KILL) {
            Ok(()) => killed += 1,
            Err(Errno::SRCH) => {}
            Err(e) => return Err(KillError::Kill(pid, e.into())),
        }
    }
    Ok(killed)
}
