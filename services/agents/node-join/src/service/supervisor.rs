//! Services under a supervisor of ours, on machines without systemd.

use super::{Service, own_program};
use crate::error::JoinError;
use crate::files::{self, failed, read};
use crate::machine::Machine;
use oi_events::chain;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The first pause between two starts; it doubles while the service keeps exiting.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a supervisor may take to start, and to end with its service.
const START: Duration = Duration::from_secs(5);
const STOP: Duration = Duration::from_secs(20);
/// How often a supervisor tries to get its lock: whoever checks whether one runs holds the lock
/// for a moment.
const LOCK_TRIES: usize = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(25);

impl Machine {
    fn pid_file(&self, service: Service) -> PathBuf {
        self.run_dir().join(format!("{}.pid", service.name))
    }

    fn lock_file(&self, service: Service) -> PathBuf {
        self.run_dir().join(format!("{}.lock", service.name))
    }

    pub(super) fn log_file(&self, service: Service) -> PathBuf {
        let name = service.name.strip_prefix("oi-").unwrap_or(service.name);
        self.path(&format!("var/log/oi-{name}.log"))
    }

    /// The lock that a supervisor holds while it lives; none if one does.
    fn lock(&self, service: Service) -> Result<Option<File>, JoinError> {
        let path = self.lock_file(service);
        std::fs::create_dir_all(self.run_dir()).map_err(failed(&self.run_dir()))?;
        let file = File::options().create(true).append(true).open(&path).map_err(failed(&path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(failed(&path)(e.into())),
        }
    }

    /// Whether a supervisor of the service lives.
    pub(super) fn is_supervised(&self, service: Service) -> bool {
        self.lock_file(service).exists() && matches!(self.lock(service), Ok(None))
    }

    /// Starts a supervisor unless one lives.
    pub(super) fn start_supervisor(&self, service: Service) -> Result<String, JoinError> {
        let name = service.name;
        if self.is_supervised(service) {
            return Ok(format!("{name} runs already"));
        }
        let log = self.log_file(service);
        let open = || File::options().create(true).append(true).open(&log);
        let (out, err) = (open().map_err(failed(&log))?, open().map_err(failed(&log))?);
        // A session of its own: it outlives the terminal.
        let mut command = Command::new("setsid");
        command.arg(own_program()?).args(["node", service.supervisor]);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        // It would otherwise keep the token for as long as it lives.
        command.env_remove("OI_JOIN_TOKEN");
        command.spawn().map_err(failed(Path::new("setsid")))?;
        let end = Instant::now() + START;
        while !self.is_supervised(service) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        if !self.is_supervised(service) {
            return Err(JoinError::Supervisor { name, log });
        }
        Ok(format!("there is no systemd: {name} runs under a supervisor"))
    }

    /// Stops a supervisor with its service.
    pub(super) fn stop_supervisor(&self, service: Service) -> Result<(), JoinError> {
        if self.is_supervised(service)
            && let Some(pid) = self.pid(service)?
        {
            match kill_process(pid, Signal::TERM) {
                // It has just ended.
                Ok(()) | Err(Errno::SRCH) => {}
                Err(e) => return Err(failed(&self.pid_file(service))(e.into())),
            }
        }
        let end = Instant::now() + STOP;
        while self.is_supervised(service) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        if self.is_supervised(service) {
            return Err(JoinError::Stays(service.name));
        }
        files::remove(&self.pid_file(service))?;
        files::remove(&self.lock_file(service))?;
        files::remove_empty(&self.run_dir())
    }

    /// The process of the supervisor, if it has written its pid.
    fn pid(&self, service: Service) -> Result<Option<Pid>, JoinError> {
        let path = self.pid_file(service);
        let Some(text) = read(&path)? else { return Ok(None) };
        match text.trim().parse().map(Pid::from_raw) {
            Ok(Some(pid)) => Ok(Some(pid)),
            Ok(None) | Err(_) => {
                Err(JoinError::Damaged { path, problem: format!("{text:?} is no pid") })
            }
        }
    }

    /// Supervises the service: starts `command` again and again, for as long as the file `needs`
    /// exists. Returns only if another supervisor lives.
    pub(crate) fn supervise(
        &self,
        service: Service,
        needs: &Path,
        command: impl Fn() -> Result<Command, JoinError>,
    ) -> Result<(), JoinError> {
        let Some(_lock) = self.try_lock(service)? else { return Ok(()) };
        files::write(&self.pid_file(service), 0o644, &format!("{}\n", std::process::id()))?;
        let mut pause = PAUSE;
        loop {
            if !needs.exists() {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
            let started = Instant::now();
            match command() {
                Ok(command) => {
                    let status = bound(&command).status();
                    eprintln!("{} ended: {status:?}", service.name);
                }
                // A package may be in the middle of an upgrade.
                Err(error) => eprintln!("{} cannot be started: {}", service.name, chain(&error)),
            }
            let lived = started.elapsed() > LONGEST_PAUSE;
            pause = if lived { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            std::thread::sleep(pause);
        }
    }

    fn try_lock(&self, service: Service) -> Result<Option<File>, JoinError> {
        for _ in 0..LOCK_TRIES {
            if let Some(lock) = self.lock(service)? {
                return Ok(Some(lock));
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        self.lock(service)
    }
}

/// The command, which ends with its supervisor, so that it is never left over.
fn bound(command: &Command) -> Command {
    let mut bound = Command::new("setpriv");
    bound.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
    bound.args(command.get_args()).stdin(Stdio::null());
    bound
}
