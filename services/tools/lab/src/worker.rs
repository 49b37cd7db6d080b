//! Worker machines of a lab: each in namespaces of its own, with a container runtime of its
//! own and whatever it writes below the lab's directory, so that kubeadm and oi find the
//! paths that they know. They join by the commands that anybody would use.

use crate::command::{CommandError, cache_dir, find, run};
use crate::containerd::{self, ContainerdError};
use crate::lab::{Hypervisor, Lab};
use crate::process::{Daemon, ProcessError, in_own_session};
use crate::{netns, sweep};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

const LIMIT: Duration = Duration::from_secs(30);
const INIT: &str = include_str!("machine.sh");
/// The last byte of the first one's address.
const FIRST: u8 = 230;
/// So many fit into a lab.
pub const MOST: u8 = 24;
const TOOLS: [&str; 2] = ["kubelet", "kubeadm"];

/// Why a worker is not there, or not gone.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A program is missing or failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// It does not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its container runtime cannot be set up.
    #[error(transparent)]
    Containerd(#[from] ContainerdError),
    /// The file system refused.
    #[error("{path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no such worker.
    #[error("there is no worker {0} in this lab: see `oi-local-cluster worker list`")]
    Unknown(String),
    /// There is one of that name, for another cluster.
    #[error("worker {name} exists already, for cluster {cluster}: destroy it first")]
    Exists {
        /// Its name.
        name: String,
        /// Whose it is.
        cluster: String,
    },
    /// Behind NAT nobody would reach it.
    #[error(
        "cluster {0} has no tunnel, without which nobody reaches a worker behind NAT: make it with --vpn-enabled, or see `oi cluster tunnel`"
    )]
    NoTunnel(String),
    /// No more addresses.
    #[error("the lab has {MOST} workers already, which is as many as it has room for")]
    Full,
    /// A program of this Kubernetes version is missing.
    #[error(
        "{program} {version} is not built: run OI_KUBERNETES_VERSIONS={version} deploy/toolchain workers"
    )]
    NotBuilt {
        /// Its name.
        program: &'static str,
        /// The cluster's version.
        version: String,
    },
    /// There is no operating system.
    #[error("{0} has no usr/bin, so it is no operating system's: `deploy/os` makes one")]
    NoSystem(PathBuf),
    /// What was run in it failed.
    #[error("`{command}` in worker {worker} ended with {status}")]
    Ended {
        /// The worker.
        worker: String,
        /// The command.
        command: String,
        /// How.
        status: std::process::ExitStatus,
    },
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> WorkerError + use<> {
    let path = path.to_owned();
    move |source| WorkerError::File { path, source }
}

/// What is remembered of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name, and its node's.
    pub name: String,
    /// The cluster that it was made for.
    pub cluster: String,
    /// The Kubernetes release of its programs.
    pub version: String,
    /// Its place in the lab, from 0.
    pub slot: u8,
    /// Behind how many NATs it is.
    #[serde(default)]
    pub nats: u8,
    /// Where its operating system's files are; the host's where absent.
    #[serde(default)]
    pub os: Option<PathBuf>,
}

/// What a worker machine is to be.
pub struct Wanted {
    /// Its name; the lab's next one where absent.
    pub name: Option<String>,
    /// The cluster that it is for.
    pub cluster: String,
    /// Behind how many NATs it is.
    pub nats: u8,
    /// Where its operating system's files are; the host's where absent.
    pub os: Option<PathBuf>,
}

/// A worker machine.
pub struct Worker<'a> {
    lab: &'a Lab,
    pub record: Record,
}

impl Lab {
    fn workers_dir(&self) -> PathBuf {
        self.dir.join("workers")
    }

    /// All workers, by name.
    pub fn workers(&self) -> Vec<Worker<'_>> {
        let entries = fs::read_dir(self.workers_dir()).into_iter().flatten().flatten();
        let record = |entry: fs::DirEntry| {
            let text = fs::read(entry.path().join("worker.json")).ok()?;
            Some(Worker { lab: self, record: serde_json::from_slice(&text).ok()? })
        };
        let mut all: Vec<_> = entries.filter_map(record).collect();
        all.sort_by_key(|worker| worker.record.slot);
        all
    }

    /// The worker of that name.
    pub fn worker(&self, name: &str) -> Result<Worker<'_>, WorkerError> {
        let found = self.workers().into_iter().find(|w| w.record.name == name);
        found.ok_or_else(|| WorkerError::Unknown(name.to_owned()))
    }

    /// A worker machine that runs and has joined nothing; the one of that name, where it is
    /// there already.
    pub fn ensure_worker(&self, wanted: Wanted, version: &str) -> Result<Worker<'_>, WorkerError> {
        let Wanted { name, cluster, nats, os } = wanted;
        let all = self.workers();
        let named = name.as_ref().and_then(|n| all.iter().find(|w| w.record.name == *n));
        if let Some(known) = named {
            if known.record.cluster != cluster {
                let (name, cluster) = (known.record.name.clone(), known.record.cluster.clone());
                return Err(WorkerError::Exists { name, cluster });
            }
            let worker = Worker { lab: self, record: known.record.clone() };
            worker.start()?;
            return Ok(worker);
        }
        let slot = (0..MOST).find(|s| all.iter().all(|w| w.record.slot != *s));
        let slot = slot.ok_or(WorkerError::Full)?;
        let name = name.unwrap_or_else(|| format!("{}-worker-{slot}", self.settings.name));
        let version = version.to_owned();
        let record = Record { name, cluster, version, slot, nats, os };
        let worker = Worker { lab: self, record };
        worker.check()?;
        let dir = worker.dir();
        fs::create_dir_all(&dir).map_err(file(&dir))?;
        let path = dir.join("worker.json");
        let text = serde_json::to_vec(&worker.record).unwrap_or_default();
        fs::write(&path, text).map_err(file(&path))?;
        worker.start()?;
        Ok(worker)
    }
}

impl Worker<'_> {
    /// Where all of it is, on the host.
    pub fn dir(&self) -> PathBuf {
        self.lab.workers_dir().join(&self.record.name)
    }

    /// Its namespace and cable, as hypervisors have them.
    fn machine(&self) -> Hypervisor {
        let last = FIRST + self.record.slot;
        Hypervisor {
            name: format!("{}-w{}", self.lab.tag(), self.record.slot),
            public: false,
            address: Ipv4Addr::new(10, 89, self.lab.settings.subnet, last),
            ports: (0, 0),
            dir: self.dir(),
            cable: format!("{}w{}", self.lab.tag(), self.record.slot),
        }
    }

    /// Its address.
    pub fn address(&self) -> Ipv4Addr {
        netns::address_behind(&self.machine(), self.record.nats)
    }

    fn daemon(&self) -> Daemon {
        self.lab.daemon(&format!("worker-{}", self.record.name))
    }

    fn programs(&self) -> PathBuf {
        cache_dir().join(format!("kubernetes-{}", self.record.version))
    }

    fn check(&self) -> Result<(), WorkerError> {
        for program in TOOLS {
            if !self.programs().join(program).is_file() {
                return Err(WorkerError::NotBuilt {
                    program,
                    version: self.record.version.clone(),
                });
            }
        }
        find("containerd")?;
        match &self.record.os {
            Some(os) if !os.join("usr/bin").is_dir() => Err(WorkerError::NoSystem(os.clone())),
            _ => Ok(()),
        }
    }

    /// Starts it, unless it runs.
    fn start(&self) -> Result<(), WorkerError> {
        let daemon = self.daemon();
        if daemon.pid().is_some() {
            return Ok(());
        }
        let (machine, dir) = (self.machine(), self.dir());
        netns::ensure_behind(self.lab, &machine, self.record.nats)?;
        netns::confine(self.lab, &machine)?;
        containerd::prepare_worker(self.lab, &dir)?;
        let kubelet = dir.join("kubelet.conf");
        fs::write(&kubelet, KUBELET).map_err(file(&kubelet))?;
        let script = dir.join("machine.sh");
        fs::write(&script, INIT).map_err(file(&script))?;
        sweep::make_cgroups(machine.cgroup()).map_err(file(Path::new("/sys/fs/cgroup")))?;
        let exe = std::env::current_exe().map_err(file(Path::new("/proc/self/exe")))?;
        // In its cgroup first: the root of a cgroup namespace is where one is when it is made.
        let enter = format!(
            "for c in /sys/fs/cgroup/{0} /sys/fs/cgroup/*/{0}; do [ ! -e $c/cgroup.procs ] || echo $$ >$c/cgroup.procs; done; exec nsenter --net=/run/netns/{1} -- unshare --mount --uts --ipc --cgroup --pid --fork --kill-child=KILL --mount-proc -- sh {2} \"$@\"",
            machine.cgroup(),
            machine.name,
            script.display(),
        );
        let mut command = in_own_session(Path::new("sh"));
        command
            .args(["-c", &enter, "sh", &self.record.name])
            .arg(&dir)
            .args([self.address().to_string(), self.lab.gateway().to_string()])
            .arg(find("containerd")?)
            .arg(exe)
            .args(&self.record.os)
            .env("PATH", self.path());
        daemon.start(command)?;
        let ready = || self.init().is_some_and(runtime_answers);
        Ok(daemon.wait(LIMIT, ready)?)
    }

    /// PATH inside of it.
    fn path(&self) -> std::ffi::OsString {
        let beside = std::env::current_exe().ok().and_then(|p| p.parent().map(Path::to_owned));
        let own = [self.programs(), cache_dir().join("bin")];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = own.into_iter().chain(beside).chain(std::env::split_paths(&path));
        std::env::join_paths(all).unwrap_or_default()
    }

    /// Its first process, as the host numbers it.
    fn init(&self) -> Option<i32> {
        // setsid became sh, nsenter and unshare, whose only child it is.
        let outer = self.daemon().pid()?;
        let children = fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// A command that runs in it.
    pub fn command(&self, program: &str, args: &[String]) -> Result<Command, WorkerError> {
        let init = self.init().ok_or_else(|| WorkerError::Unknown(self.record.name.clone()))?;
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &init.to_string(), "-m", "-u", "-i", "-n", "-p", "-C", "--wd=/", "--"])
            .arg(program)
            .args(args)
            .env("PATH", self.path());
        Ok(command)
    }

    /// Runs a command in it to its end.
    pub fn exec(&self, program: &str, args: &[String]) -> Result<(), WorkerError> {
        let status = self
            .command(program, args)?
            .status()
            .map_err(|source| CommandError::Start { program: program.to_owned(), source })?;
        if status.success() {
            return Ok(());
        }
        let (worker, command) = (self.record.name.clone(), program.to_owned());
        Err(WorkerError::Ended { worker, command, status })
    }

    /// Keeps a kubelet running that waits for its configuration, as packages set it up:
    /// what `kubeadm join` expects to find.
    pub fn offer_kubelet(&self) -> Result<(), WorkerError> {
        let script = "setsid oi node supervise-kubelet >>/var/log/oi-kubelet.log 2>&1 </dev/null &";
        self.exec("sh", &["-c".to_owned(), script.to_owned()])
    }

    /// Ends it and leaves nothing of it on the host.
    pub fn destroy(&self) -> Result<(), WorkerError> {
        self.daemon().stop(Signal::KILL);
        let machine = self.machine();
        sweep::machine(&machine);
        netns::remove_namespace(&machine)?;
        for router in netns::routers(&machine, self.record.nats) {
            netns::remove_namespace(&Hypervisor { name: router, ..machine.clone() })?;
        }
        match fs::remove_dir_all(self.dir()) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(file(&self.dir())(e)),
            _ => {}
        }
        let _ = fs::remove_dir(self.lab.workers_dir());
        Ok(())
    }
}

/// What of the kubelet's configuration is this kind of machine's.
const KUBELET: &str = r#"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
imageGCHighThresholdPercent: 100
evictionHard:
  nodefs.available: "0%"
  nodefs.inodesFree: "0%"
  imagefs.available: "0%"
  imagefs.inodesFree: "0%"
"#;

fn runtime_answers(pid: i32) -> bool {
    let socket = format!("/proc/{pid}/root/run/containerd/containerd.sock");
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

/// Prints what `oi` says of a cluster of this lab.
pub fn ask_oi(lab: &Lab, args: &[&str]) -> Result<String, WorkerError> {
    let oi = find("oi")?;
    let server = format!("http://{}", lab.api());
    let mut all = vec!["--server", &server];
    all.extend(args);
    Ok(run(&oi.to_string_lossy(), &all)?)
}
