//! Starting and ending a lab.

use crate::command::{CommandError, find};
use crate::containerd::{self, ContainerdError};
use crate::lab::{Hypervisor, Lab, Settings};
use crate::process::{Daemon, ProcessError, in_own_session};
use crate::registry::{self, RegistryError};
use crate::worker::WorkerError;
use crate::{netns, sweep};
use oi_proto::manifest::{Document, HypervisorSpec, Metadata, PortRange};
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const NATS_CONF: &str = include_str!("../../../../nats.conf");

/// Why a lab is not up, or not gone.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A program is missing or failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A daemon does not run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A hypervisor cannot be set up.
    #[error(transparent)]
    Containerd(#[from] ContainerdError),
    /// Images cannot be served.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A worker machine.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The file system refused.
    #[error("{path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The lab's own record is damaged.
    #[error("{path} is damaged: run `oi-local-cluster cluster destroy --name {name}`")]
    Record {
        /// The file.
        path: PathBuf,
        /// The lab.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It exists in another form.
    #[error(
        "lab {name} exists with other settings ({what}): destroy it first, or choose another --name"
    )]
    Differs {
        /// The lab.
        name: String,
        /// What differs.
        what: String,
    },
    /// A port is needed that somebody has.
    #[error("port {0} of 127.0.0.1 is taken by another program: end it, or choose other ports")]
    PortTaken(u16),
    /// Socket paths must stay below 108 bytes.
    #[error("{0} is too long for a socket: choose a shorter --dir or --name")]
    PathTooLong(PathBuf),
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> LabError + use<> {
    let path = path.to_owned();
    move |source| LabError::File { path, source }
}

/// Says what is being done, on stderr.
fn say(text: &str) {
    eprintln!("{text}");
}

fn answers(address: &str, request: &str, expect: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
    let mut reply = [0; 256];
    stream.write_all(request.as_bytes()).is_ok()
        && stream
            .read(&mut reply)
            .is_ok_and(|n| String::from_utf8_lossy(&reply[..n]).contains(expect))
}

/// Holds back other labs of this machine until it is dropped.
fn alone() -> Result<File, LabError> {
    let path = Path::new("/run/lock/oi-local-cluster");
    let lock = File::create(path).map_err(file(path))?;
    lock.lock().map_err(file(path))?;
    Ok(lock)
}

impl Lab {
    fn record(&self) -> PathBuf {
        self.dir.join("lab.json")
    }

    /// The lab of that name, if it was created.
    pub fn load(base: &Path, name: &str) -> Result<Option<Lab>, LabError> {
        let path = base.join(name).join("lab.json");
        match fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LabError::File { path, source }),
            Ok(text) => serde_json::from_slice(&text)
                .map(|settings| Some(Lab::new(base, settings)))
                .map_err(|source| LabError::Record { path, name: name.to_owned(), source }),
        }
    }

    /// Refuses, before anything changes, what cannot work.
    fn check(&self) -> Result<(), LabError> {
        for h in self.hypervisors() {
            if h.socket().as_os_str().len() > 100 {
                return Err(LabError::PathTooLong(h.socket()));
            }
        }
        let public = self.hypervisors().into_iter().filter(|h| h.public);
        let ports = public.flat_map(|h| h.ports.0..=h.ports.1);
        let own = (0..6).map(|n| self.settings.base_port + n);
        for port in own.chain(ports) {
            TcpListener::bind(("127.0.0.1", port)).map_err(|_| LabError::PortTaken(port))?;
        }
        for program in ["nats-server", "crane", "containerd", "runc", "containerd-shim-runc-v2"] {
            find(program)?;
        }
        if self.settings.server {
            find("oi-server")?;
        }
        registry::directory()?;
        Ok(())
    }

    fn save(&self) -> Result<(), LabError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.dir).map_err(file(&self.dir))?;
        let text = serde_json::to_vec_pretty(&self.settings).map_err(|source| {
            LabError::Record { path: self.record(), name: self.settings.name.clone(), source }
        })?;
        fs::write(self.record(), text).map_err(file(&self.record()))
    }

    /// Starts whatever of the lab does not run.
    pub fn up(base: &Path, wanted: Settings) -> Result<Lab, LabError> {
        let lab = match Lab::load(base, &wanted.name)? {
            Some(lab) => {
                let same = Settings { subnet: lab.settings.subnet, ..wanted };
                if same != lab.settings {
                    return Err(LabError::Differs {
                        name: same.name,
                        what: format!(
                            "{} private and {} public hypervisors, ports from {}",
                            lab.settings.size_private,
                            lab.settings.size_public,
                            lab.settings.base_port
                        ),
                    });
                }
                lab
            }
            None => {
                let lab = Lab::new(base, wanted);
                lab.check()?;
                let wish = lab.tag().bytes().fold(7_u8, |a, b| a.wrapping_mul(31).wrapping_add(b));
                // A subnet is taken once a bridge has an address in it: until then no other
                // lab may look for one.
                let _alone = alone()?;
                let subnet = netns::free_subnet(wish)?;
                let lab = Lab::new(base, Settings { subnet, ..lab.settings });
                lab.save()?;
                netns::ensure_bridge(&lab)?;
                lab
            }
        };
        netns::ensure_bridge(&lab)?;
        lab.start_broker()?;
        lab.start_registry()?;
        for h in lab.hypervisors() {
            lab.start_hypervisor(&h)?;
        }
        for h in lab.hypervisors() {
            lab.wait_hypervisor(&h)?;
        }
        if lab.settings.server {
            lab.start_server()?;
        }
        Ok(lab)
    }

    /// The daemon of that name.
    pub fn daemon(&self, name: &str) -> Daemon {
        Daemon::new(&self.dir, name)
    }

    /// Starts the broker and waits for it.
    pub fn start_broker(&self) -> Result<(), LabError> {
        let conf = self.dir.join("nats.conf");
        fs::write(&conf, NATS_CONF).map_err(file(&conf))?;
        let mut command = in_own_session(&find("nats-server")?);
        command
            .arg("-c")
            .arg(conf)
            .env("OI_NATS_LISTEN", self.broker())
            .env("OI_NATS_MONITOR", self.monitor())
            .env("OI_NATS_STORE", self.dir.join("jetstream"))
            .env("GOMEMLIMIT", "64MiB");
        let daemon = self.daemon("nats");
        if daemon.start(command)? {
            say(&format!("broker: nats-server on {}", self.broker()));
        }
        Ok(daemon.wait(LIMIT, || answers(&self.broker(), "", "INFO"))?)
    }

    /// Starts the registry, and fills it with all images that have been made.
    pub fn start_registry(&self) -> Result<(), LabError> {
        let mut command = in_own_session(&find("crane")?);
        command
            .args(["registry", "serve", "--disk"])
            .arg(registry::directory()?)
            .args(["--address", &self.registry()])
            .env("GOMEMLIMIT", "32MiB");
        let daemon = self.daemon("registry");
        if daemon.start(command)? {
            daemon.wait(LIMIT, || TcpStream::connect(self.registry()).is_ok())?;
            say(&format!("registry: on {}", self.registry()));
        }
        Ok(registry::fill(&self.registry())?)
    }

    /// Starts a hypervisor's containerd and the way to it.
    pub fn start_hypervisor(&self, h: &Hypervisor) -> Result<(), LabError> {
        netns::ensure_namespace(self, h)?;
        if !h.public {
            netns::shield(self, h)?;
        }
        containerd::allow_inotify();
        let daemon = self.daemon(&h.name);
        if daemon.start(containerd::prepare(self, h)?)? {
            say(&format!("hypervisor {}: containerd at {}", h.name, h.address));
        }
        if h.public {
            let exe = std::env::current_exe().map_err(file(Path::new("/proc/self/exe")))?;
            let mut command = in_own_session(&exe);
            command
                .args(["forward", "--listen", &format!("{}-{}", h.ports.0, h.ports.1)])
                .args(["--to", &h.address.to_string()]);
            let forward = self.daemon(&format!("forward-{}", h.name));
            forward.start(command)?;
            forward.wait(LIMIT, || TcpStream::connect(("127.0.0.1", h.ports.1)).is_ok())?;
        }
        Ok(())
    }

    /// Waits until a hypervisor's socket answers.
    pub fn wait_hypervisor(&self, h: &Hypervisor) -> Result<(), LabError> {
        let connects = || std::os::unix::net::UnixStream::connect(h.socket()).is_ok();
        Ok(self.daemon(&h.name).wait(LIMIT, connects)?)
    }

    /// Starts oi-server and waits until it is ready.
    pub fn start_server(&self) -> Result<(), LabError> {
        let mut command = in_own_session(&find("oi-server")?);
        command
            .args(["--nats-url", &format!("nats://{}", self.broker())])
            .args(["--listen", &self.api(), "--metrics-listen", &self.metrics()])
            .args(["--console-listen", &self.page()])
            .arg("--key-file")
            .arg(self.key_file())
            .arg("--create-key-file")
            .arg("--backup-store")
            .arg(self.backup_store());
        let daemon = self.daemon("server");
        if daemon.start(command)? {
            say(&format!("oi-server: API on {}, page on http://{}", self.api(), self.page()));
        }
        let request = "GET /readyz HTTP/1.1\r\nHost: oi\r\nConnection: close\r\n\r\n";
        Ok(daemon.wait(LIMIT, || answers(&self.metrics(), request, " 200 "))?)
    }

    /// Ends everything and leaves nothing.
    pub fn down(&self) -> Result<(), LabError> {
        for worker in self.workers() {
            worker.destroy()?;
            say(&format!("worker {}: gone", worker.record.name));
        }
        self.daemon("server").stop(Signal::TERM);
        for h in self.hypervisors() {
            self.daemon(&format!("forward-{}", h.name)).stop(Signal::TERM);
            // Not gently: shims outlive containerd, and are swept below.
            self.daemon(&h.name).stop(Signal::KILL);
            sweep::machine(&h);
            netns::remove_namespace(&h)?;
            say(&format!("hypervisor {}: gone", h.name));
        }
        self.daemon("registry").stop(Signal::TERM);
        netns::remove_bridge(self)?;
        self.daemon("nats").stop(Signal::TERM);
        sweep::directory(self).map_err(file(&self.dir))?;
        say(&format!("lab {}: gone", self.settings.name));
        Ok(())
    }

    /// The hypervisors as documents for `oi`.
    pub fn documents(&self) -> Vec<Document> {
        let one = |h: Hypervisor| {
            let spec = HypervisorSpec {
                shared_ports: None,
                cri_endpoint: format!("unix://{}", h.socket().display()),
                tls: None,
                public: h.public,
                address: h.address.to_string(),
                port_range: PortRange { low: h.ports.0, high: h.ports.1 },
                data_dir: h.data_dir().display().to_string(),
                max_nodes: None,
            };
            Document::Hypervisor(Metadata { name: h.name }, spec)
        };
        self.hypervisors().into_iter().map(one).collect()
    }
}
