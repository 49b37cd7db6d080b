//! What runs for as long as the machine is a node: services of systemd, or, where there is
//! none, of a supervisor of ours that starts them again whenever they end.

use crate::error::JoinError;
use crate::files::{self, failed, read};
use crate::machine::Machine;
use oi_events::chain;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The first line of a unit that is ours.
const MARK: &str = "# Written by `oi node join`.";
/// Between two starts, doubled while it keeps ending.
const PAUSE: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(10);

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// Its name, which its unit has, too.
    pub name: &'static str,
    /// How its supervisor is called: `oi node …`.
    pub supervisor: &'static str,
}

/// The kubelet.
pub const KUBELET: Service = Service { name: "kubelet", supervisor: "supervise-kubelet" };
/// The link to the hub of the cluster's tunnel.
pub const LINK: Service = Service { name: "oi-tunnel", supervisor: "supervise-link" };

pub fn run(command: &mut Command) -> Result<String, JoinError> {
    let text = format!("{command:?}");
    let failed = |stderr: String| JoinError::Program { command: text.clone(), stderr };
    let output = command.stdin(Stdio::null()).output().map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn systemctl(args: &[&str]) -> Result<String, JoinError> {
    run(Command::new("systemctl").args(args))
}

impl Machine {
    fn pid_file(&self, service: Service) -> PathBuf {
        self.run_dir().join(format!("{}.pid", service.name))
    }

    fn lock_file(&self, service: Service) -> PathBuf {
        self.run_dir().join(format!("{}.lock", service.name))
    }

    fn log_file(&self, service: Service) -> PathBuf {
        let name = service.name.strip_prefix("oi-").unwrap_or(service.name);
        self.path(&format!("var/log/oi-{name}.log"))
    }

    fn unit_file(&self, service: Service) -> PathBuf {
        self.path(&format!("etc/systemd/system/{}.service", service.name))
    }

    /// Where to read why it does not work.
    pub(crate) fn log_of(&self, service: Service) -> String {
        if self.has_systemd() {
            format!("journalctl -u {}", service.name)
        } else {
            self.log_file(service).display().to_string()
        }
    }

    /// The lock that a supervisor holds while it lives; none where one does.
    fn lock(&self, service: Service) -> Result<Option<File>, JoinError> {
        let path = self.lock_file(service);
        std::fs::create_dir_all(self.run_dir()).map_err(failed(&self.run_dir()))?;
        let file = File::options().create(true).append(true).open(&path).map_err(failed(&path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(failed(&path)(e.into())),
        }
    }

    /// Whether it is looked after, by us or by systemd.
    pub(crate) fn is_running(&self, service: Service) -> bool {
        if self.has_systemd() {
            return systemctl(&["is-active", "--quiet", service.name]).is_ok();
        }
        self.lock_file(service).exists() && matches!(self.lock(service), Ok(None))
    }

    /// Has it started, now and at each boot where systemd sees to that, by the unit `unit`;
    /// what was done.
    pub(crate) fn start(
        &self,
        service: Service,
        unit: &str,
        anew: bool,
    ) -> Result<String, JoinError> {
        let name = service.name;
        if self.has_systemd() {
            // A package's own unit knows best.
            if systemctl(&["cat", name]).is_err() {
                files::write(&self.unit_file(service), 0o644, &format!("{MARK}\n{unit}"))?;
                systemctl(&["daemon-reload"])?;
            }
            systemctl(&["enable", name])?;
            systemctl(&[if anew { "restart" } else { "start" }, name])?;
            return Ok(format!("{name} is a service of systemd"));
        }
        if self.is_running(service) {
            return Ok(format!("{name} runs already"));
        }
        let path = self.log_file(service);
        let open = || File::options().create(true).append(true).open(&path);
        let (out, err) = (open().map_err(failed(&path))?, open().map_err(failed(&path))?);
        // A session of its own: it outlives the terminal.
        let mut command = Command::new("setsid");
        command.arg(own_program()?).args(["node", service.supervisor]);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        // It would keep the token for as long as it lives.
        command.env_remove("OI_JOIN_TOKEN");
        command.spawn().map_err(failed(Path::new("setsid")))?;
        let end = Instant::now() + Duration::from_secs(5);
        while !self.is_running(service) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        if !self.is_running(service) {
            return Err(JoinError::Supervisor { name, log: path });
        }
        Ok(format!("there is no systemd: {name} runs under a supervisor"))
    }

    /// Ends it, and what looks after it.
    pub(crate) fn stop(&self, service: Service) -> Result<(), JoinError> {
        let name = service.name;
        if self.has_systemd() {
            if systemctl(&["cat", name]).is_ok() {
                systemctl(&["disable", "--now", name])?;
            }
            // Whatever else is there is its administrator's.
            let unit = read(&self.unit_file(service))?.unwrap_or_default();
            if unit.starts_with(MARK) && files::remove(&self.unit_file(service))? {
                systemctl(&["daemon-reload"])?;
            }
            return Ok(());
        }
        let pid = read(&self.pid_file(service))?.and_then(|text| text.trim().parse().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw).filter(|_| self.is_running(service)) {
            // What it looks after goes with it.
            let _ = kill_process(pid, Signal::TERM);
        }
        let end = Instant::now() + Duration::from_secs(20);
        while self.is_running(service) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        if self.is_running(service) {
            return Err(JoinError::Stays(name));
        }
        files::remove(&self.pid_file(service))?;
        files::remove(&self.lock_file(service))?;
        // Only where nothing else is in it.
        let _ = std::fs::remove_dir(self.run_dir());
        Ok(())
    }

    /// Keeps it running: starts what `command` gives for as long as the file `needs` is there,
    /// again and again. Returns only where another one is at it already.
    pub(crate) fn supervise(
        &self,
        service: Service,
        needs: &Path,
        command: impl Fn() -> Result<Command, JoinError>,
    ) -> Result<(), JoinError> {
        // Whoever looks whether one runs holds the lock for a moment, too.
        let mut lock = self.lock(service)?;
        for _ in 0..40 {
            if lock.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(25));
            lock = self.lock(service)?;
        }
        let Some(_lock) = lock else { return Ok(()) };
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
                    // It ends with its supervisor, so that none is ever left over.
                    let mut bound = Command::new("setpriv");
                    bound.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program());
                    bound.args(command.get_args()).stdin(Stdio::null());
                    eprintln!("{} ended: {:?}", service.name, bound.status());
                }
                // A package may just be replaced.
                Err(error) => eprintln!("{} cannot be started: {}", service.name, chain(&error)),
            }
            pause = if started.elapsed() > MOST { PAUSE } else { (pause * 2).min(MOST) };
            std::thread::sleep(pause);
        }
    }
}

/// The program that this is.
pub fn own_program() -> Result<PathBuf, JoinError> {
    std::env::current_exe().map_err(failed(Path::new("/proc/self/exe")))
}
