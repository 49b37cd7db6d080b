//! The kubelet as a service: of systemd, or, where there is none, under a supervisor of ours
//! that starts it again whenever it ends.

use crate::error::JoinError;
use crate::files::{self, failed, read};
use crate::machine::{CONFIG, FLAGS, Machine};
use oi_events::chain;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The first line of a unit that is ours.
const MARK: &str = "# Written by `oi node join`.";
const UNIT: &str = "etc/systemd/system/kubelet.service";
/// Between two starts, doubled while it keeps ending.
const PAUSE: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(10);

/// The kubelet's program.
pub fn find() -> Result<PathBuf, JoinError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join("kubelet"))
        .find(|p| p.is_file())
        .ok_or(JoinError::Missing { program: "kubelet" })
}

fn run(command: &mut Command) -> Result<String, JoinError> {
    let text = format!("{command:?}");
    let failed = |stderr: String| JoinError::Program { command: text.clone(), stderr };
    let output = command.stdin(Stdio::null()).output().map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn unit(kubelet: &Path) -> String {
    format!(
        "{MARK}
[Unit]
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
    fn pid_file(&self) -> PathBuf {
        self.run_dir().join("kubelet.pid")
    }

    fn log_file(&self) -> PathBuf {
        self.path("var/log/oi-kubelet.log")
    }

    /// Where to read why it does not work.
    pub(crate) fn kubelet_log(&self) -> String {
        if self.has_systemd() {
            "journalctl -u kubelet".to_owned()
        } else {
            self.log_file().display().to_string()
        }
    }

    /// The lock that a supervisor holds while it lives; none where one does.
    fn lock(&self) -> Result<Option<File>, JoinError> {
        let path = self.run_dir().join("kubelet.lock");
        std::fs::create_dir_all(self.run_dir()).map_err(failed(&self.run_dir()))?;
        let file = File::options().create(true).append(true).open(&path).map_err(failed(&path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(e) => Err(failed(&path)(e.into())),
        }
    }

    /// Whether a kubelet of ours, or of systemd, is looked after.
    pub(crate) fn is_kubelet_running(&self) -> bool {
        if self.has_systemd() {
            return run(Command::new("systemctl").args(["is-active", "--quiet", "kubelet"]))
                .is_ok();
        }
        self.run_dir().is_dir() && matches!(self.lock(), Ok(None))
    }

    /// Has the kubelet started, now and at each boot where systemd sees to that; what was
    /// done.
    pub(crate) fn start_kubelet(
        &self,
        kubelet: &Path,
        anew: bool,
    ) -> Result<&'static str, JoinError> {
        if self.has_systemd() {
            let unit_file = self.path(UNIT);
            // A package's own unit knows best.
            let known = run(Command::new("systemctl").args(["cat", "kubelet"])).is_ok();
            if !known {
                files::write(&unit_file, 0o644, &unit(kubelet))?;
                run(Command::new("systemctl").arg("daemon-reload"))?;
            }
            run(Command::new("systemctl").args(["enable", "kubelet"]))?;
            let verb = if anew { "restart" } else { "start" };
            run(Command::new("systemctl").args([verb, "kubelet"]))?;
            return Ok("the kubelet is a service of systemd");
        }
        if self.is_kubelet_running() {
            return Ok("the kubelet runs already");
        }
        let program = std::env::current_exe().map_err(failed(Path::new("/proc/self/exe")))?;
        let path = self.log_file();
        let open = || File::options().create(true).append(true).open(&path);
        let (out, err) = (open().map_err(failed(&path))?, open().map_err(failed(&path))?);
        // A session of its own: it outlives the terminal.
        let mut command = Command::new("setsid");
        command.arg(program).args(["node", "supervise-kubelet"]);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        // It would keep the token for as long as it lives.
        command.env_remove("OI_JOIN_TOKEN");
        command.spawn().map_err(failed(Path::new("setsid")))?;
        let end = Instant::now() + Duration::from_secs(5);
        while !self.is_kubelet_running() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        if !self.is_kubelet_running() {
            return Err(JoinError::Supervisor(self.log_file()));
        }
        Ok("there is no systemd: the kubelet runs under a supervisor")
    }

    /// Ends the kubelet, and what looks after it.
    pub(crate) fn stop_kubelet(&self) -> Result<(), JoinError> {
        if self.has_systemd() {
            if run(Command::new("systemctl").args(["cat", "kubelet"])).is_ok() {
                run(Command::new("systemctl").args(["disable", "--now", "kubelet"]))?;
            }
            // Whatever else is there is its administrator's.
            let unit = read(&self.path(UNIT))?.unwrap_or_default();
            if unit.starts_with(MARK) && files::remove(&self.path(UNIT))? {
                run(Command::new("systemctl").arg("daemon-reload"))?;
            }
            return Ok(());
        }
        let pid = read(&self.pid_file())?.and_then(|text| text.trim().parse().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw).filter(|_| self.is_kubelet_running()) {
            // The kubelet goes with it.
            let _ = kill_process(pid, Signal::TERM);
        }
        let end = Instant::now() + Duration::from_secs(20);
        while self.is_kubelet_running() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        if self.is_kubelet_running() {
            return Err(JoinError::KubeletStays);
        }
        files::remove(&self.run_dir()).map(drop)
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

/// Runs the kubelet for as long as there is a configuration for it, again and again: what
/// systemd does elsewhere. It also waits for a configuration, so that `kubeadm join` finds
/// it running. Returns only where another one is at it already.
///
/// # Errors
/// Where its files cannot be made.
pub fn supervise(machine: &Machine) -> Result<(), JoinError> {
    // Whoever looks whether one runs holds the lock for a moment, too.
    let mut lock = machine.lock()?;
    for _ in 0..40 {
        if lock.is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
        lock = machine.lock()?;
    }
    let Some(_lock) = lock else { return Ok(()) };
    files::write(&machine.pid_file(), 0o644, &format!("{}\n", std::process::id()))?;
    let mut pause = PAUSE;
    loop {
        if !machine.path(CONFIG).exists() {
            std::thread::sleep(Duration::from_millis(100));
            continue;
        }
        let started = Instant::now();
        // It ends with its supervisor, so that none is ever left over.
        let mut command = Command::new("setpriv");
        match find().and_then(|kubelet| Ok((kubelet, arguments(machine)?))) {
            Ok((kubelet, arguments)) => {
                command.args(["--pdeathsig", "KILL", "--"]).arg(kubelet).args(arguments);
                let ended = command.stdin(Stdio::null()).status();
                eprintln!("the kubelet ended: {ended:?}");
            }
            // A package may just be replaced.
            Err(error) => eprintln!("the kubelet cannot be started: {}", chain(&error)),
        }
        pause = if started.elapsed() > MOST { PAUSE } else { (pause * 2).min(MOST) };
        std::thread::sleep(pause);
    }
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
