//! Daemons of the lab: started in sessions of their own, remembered by pid and
//! start time, so that a number that was given to another process is never killed.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Why a daemon was not started.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The file system refused.
    #[error("{path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It cannot be started.
    #[error("{name} cannot be started")]
    Start {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ended at once.
    #[error("{name} ended right after its start; its last words: {log}")]
    Ended {
        /// Its name.
        name: String,
        /// The end of its log.
        log: String,
    },
    /// It does not answer.
    #[error("{name} does not answer within {limit:?}; its last words: {log}")]
    Silent {
        /// Its name.
        name: String,
        /// How long it was waited for.
        limit: Duration,
        /// The end of its log.
        log: String,
    },
}

/// The fields after the command name in /proc/PID/stat.
pub fn stat_fields(pid: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// Whether fields of /proc/PID/stat are of a process that is dead. One whose first thread
/// has ended looks so, but lives, and holds its ports, as long as another of its threads
/// (in an fsync, say).
pub fn is_dead(fields: &[String]) -> bool {
    let threads = fields.get(17).and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
    fields.first().is_none_or(|state| state == "X" || (state == "Z" && threads <= 1))
}

/// When a process was started, in clock ticks; none for one that is dead.
fn start_time(pid: i32) -> Option<String> {
    let fields = stat_fields(pid)?;
    (!is_dead(&fields)).then(|| fields.get(19).cloned())?
}

/// Kills a process and waits until it is gone.
pub fn kill_and_wait(pid: i32, signal: Signal, limit: Duration) {
    let started = start_time(pid);
    let Some(id) = Pid::from_raw(pid).filter(|_| started.is_some()) else { return };
    let _ = kill_process(id, signal);
    let end = Instant::now() + limit;
    while start_time(pid) == started {
        if Instant::now() >= end {
            let _ = kill_process(id, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One daemon of a lab.
pub struct Daemon {
    name: String,
    pid_file: PathBuf,
    log_file: PathBuf,
}

impl Daemon {
    /// The daemon of that name of the lab in `dir`.
    pub fn new(dir: &Path, name: &str) -> Daemon {
        Daemon {
            name: name.to_owned(),
            pid_file: dir.join("run").join(format!("{name}.pid")),
            log_file: dir.join("log").join(format!("{name}.log")),
        }
    }

    /// Its pid, if it lives.
    pub fn pid(&self) -> Option<i32> {
        let text = fs::read_to_string(&self.pid_file).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        let pid = pid.parse().ok()?;
        (start_time(pid)? == started).then_some(pid)
    }

    /// Starts it unless it lives. Returns whether it was started.
    pub fn start(&self, mut command: Command) -> Result<bool, ProcessError> {
        if self.pid().is_some() {
            return Ok(false);
        }
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| ProcessError::File { path, source }
        };
        for path in [&self.pid_file, &self.log_file] {
            let dir = path.parent().unwrap_or(path);
            fs::create_dir_all(dir).map_err(file(dir))?;
        }
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log_file)
            .map_err(file(&self.log_file))?;
        let errors = log.try_clone().map_err(file(&self.log_file))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|source| ProcessError::Start { name: self.name.clone(), source })?;
        let pid = i32::try_from(child.id()).unwrap_or_default();
        let started = start_time(pid).unwrap_or_default();
        fs::write(&self.pid_file, format!("{pid} {started}\n")).map_err(file(&self.pid_file))?;
        Ok(true)
    }

    /// Waits until `ready` says yes.
    pub fn wait(&self, limit: Duration, ready: impl Fn() -> bool) -> Result<(), ProcessError> {
        let end = Instant::now() + limit;
        while !ready() {
            if self.pid().is_none() {
                return Err(ProcessError::Ended {
                    name: self.name.clone(),
                    log: self.last_words(),
                });
            }
            if Instant::now() >= end {
                let (name, log) = (self.name.clone(), self.last_words());
                return Err(ProcessError::Silent { name, limit, log });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        let text = fs::read(&self.log_file).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }

    /// Ends it, by force where it does not end by itself.
    pub fn stop(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            kill_and_wait(pid, signal, Duration::from_secs(10));
        }
        let _ = fs::remove_file(&self.pid_file);
    }
}

/// A command that runs in a session of its own, so that it outlives the terminal.
pub fn in_own_session(program: &Path) -> Command {
    let mut command = Command::new("setsid");
    command.arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::is_dead;

    #[test]
    fn a_process_lives_as_long_as_one_of_its_threads() {
        let with = |state: &str, threads: &str| {
            let mut fields = vec!["0".to_owned(); 20];
            (fields[0], fields[17]) = (state.to_owned(), threads.to_owned());
            is_dead(&fields)
        };
        assert!(with("Z", "1") && with("X", "0") && is_dead(&[]));
        assert!(!with("Z", "2") && !with("S", "1") && !with("D", "9"));
    }
}
