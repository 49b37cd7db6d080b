//! Commands and flags.

use crate::command::CommandError;
use crate::forward::{ForwardError, forward};
use crate::join;
use crate::lab::{Lab, Settings};
use crate::up::LabError;
use crate::worker::{Wanted, WorkerError};
use clap::{Args, Parser, Subcommand};
use oi_proto::manifest::{self, ManifestError};
use rustix::process::Signal;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// A lab of real hypervisors on this machine, for trying `oi` and for its tests.
#[derive(Parser)]
#[command(name = "oi-local-cluster", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create, inspect and destroy labs.
    #[command(subcommand)]
    Cluster(Cluster),
    /// Add machines to a lab that join a cluster as worker nodes.
    #[command(subcommand)]
    Worker(WorkerCommand),
    /// Wait for children, as the first process of a machine must (started by `worker create`).
    #[command(hide = true)]
    Reap,
    /// Forward ports of 127.0.0.1 (started by `cluster create`).
    #[command(hide = true)]
    Forward {
        /// FIRST-LAST
        #[arg(long)]
        listen: String,
        #[arg(long)]
        to: Ipv4Addr,
    },
}

#[derive(Args)]
struct Which {
    /// The lab's name.
    #[arg(long, env = "OI_LOCAL_NAME", default_value = "test")]
    name: String,
    /// Where labs keep their files.
    #[arg(long, env = "OI_LOCAL_DIR", default_value = "/var/lib/oi-local")]
    dir: PathBuf,
}

/// The way in which a worker joins.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum With {
    /// `oi node join`.
    Oi,
    /// `kubeadm join`.
    Kubeadm,
    /// None: the machine is there, and joins nothing.
    Nothing,
}

#[derive(Subcommand)]
enum WorkerCommand {
    /// Make a machine with a container runtime of its own, and have it join. Where it has
    /// joined already, that is looked at and left alone.
    Create {
        #[command(flatten)]
        which: Which,
        /// The cluster.
        #[arg(long)]
        cluster: String,
        /// Its name; the lab's next one where absent.
        #[arg(long)]
        worker: Option<String>,
        /// How it joins.
        #[arg(long, value_enum, default_value_t = With::Oi)]
        with: With,
        /// Behind how many NATs it is, one behind the other; the cluster needs a tunnel.
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=4))]
        behind_nat: u8,
        /// Where another operating system's files are, which it runs instead of this
        /// machine's (`deploy/os` makes some).
        #[arg(long)]
        os: Option<PathBuf>,
    },
    /// All workers of a lab.
    List {
        #[command(flatten)]
        which: Which,
    },
    /// Run a command in one.
    Exec {
        #[command(flatten)]
        which: Which,
        /// Its name.
        #[arg(long)]
        worker: String,
        /// The command with its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
    /// End one and leave nothing of it. Its node stays in the cluster, not ready, unless it
    /// leaves first.
    Destroy {
        #[command(flatten)]
        which: Which,
        /// Its name.
        #[arg(long)]
        worker: String,
        /// Have it leave first, its pods going elsewhere.
        #[arg(long)]
        leave: bool,
    },
}

#[derive(Subcommand)]
enum Cluster {
    /// Start a broker, a registry, oi-server and hypervisors; print the hypervisors
    /// as documents for `oi`. What runs already is left alone.
    Create {
        #[command(flatten)]
        which: Which,
        /// Hypervisors for control planes.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=100))]
        size_private: u16,
        /// Hypervisors for ingresses, reachable on 127.0.0.1.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=100))]
        size_public: u16,
        /// First of six ports: API, metrics, broker, registry, broker monitoring, page.
        #[arg(long, env = "OI_LOCAL_BASE_PORT", default_value_t = 7440)]
        base_port: u16,
        /// First port of 127.0.0.1 that leads to the first public hypervisor; each
        /// has a hundred.
        #[arg(long, env = "OI_LOCAL_PUBLIC_PORT", default_value_t = 30_000)]
        public_port: u16,
        /// Do not start oi-server.
        #[arg(long)]
        no_server: bool,
    },
    /// End a lab and leave nothing of it.
    Destroy {
        #[command(flatten)]
        which: Which,
    },
    /// Print the settings with which `oi` finds this lab, for `eval`.
    Env {
        #[command(flatten)]
        which: Which,
    },
    /// Start one component that was stopped.
    Start {
        #[command(flatten)]
        which: Which,
        /// nats, registry, server, or a hypervisor's name.
        #[arg(long)]
        component: String,
    },
    /// Stop one component.
    Stop {
        #[command(flatten)]
        which: Which,
        /// nats, registry, server, or a hypervisor's name.
        #[arg(long)]
        component: String,
        /// Kill it without warning.
        #[arg(long)]
        kill: bool,
    },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The lab.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A program.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The forwarder.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// The documents.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// No such lab.
    #[error("there is no lab {name} in {dir}: create it first")]
    NoLab {
        /// Its name.
        name: String,
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// No such component.
    #[error("{0} is no component of this lab: use nats, registry, server, or a hypervisor's name")]
    NoComponent(String),
    /// A malformed range or name.
    #[error("{0:?} is malformed")]
    Malformed(String),
    /// Namespaces and mounts are root's.
    #[error("oi-local-cluster makes network namespaces and mounts: run it as root")]
    NotRoot,
}

fn existing(which: &Which) -> Result<Lab, CliError> {
    Lab::load(&which.dir, &which.name)?
        .ok_or_else(|| CliError::NoLab { name: which.name.clone(), dir: which.dir.clone() })
}

fn settings(name: String, size_private: u16, size_public: u16) -> Settings {
    Settings {
        name,
        size_private,
        size_public,
        base_port: 0,
        public_port: 0,
        subnet: 0,
        server: true,
    }
}

/// Parses the arguments and does what they say.
pub fn run() -> Result<(), CliError> {
    let command = Cli::parse().command;
    if let Command::Forward { listen, to } = &command {
        let ports =
            listen.split_once('-').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let (low, high) = ports.ok_or_else(|| CliError::Malformed(listen.clone()))?;
        return Ok(forward(low..=high, *to)?);
    }
    if !rustix::process::geteuid().is_root() {
        return Err(CliError::NotRoot);
    }
    match command {
        Command::Forward { .. } => Ok(()),
        Command::Reap => reap(),
        Command::Worker(command) => run_worker(command),
        Command::Cluster(cluster) => run_cluster(cluster),
    }
}

fn run_cluster(command: Cluster) -> Result<(), CliError> {
    match command {
        Cluster::Create { which, size_private, size_public, base_port, public_port, no_server } => {
            which.name.parse::<Label>()?;
            let settings = Settings {
                base_port,
                public_port,
                server: !no_server,
                ..settings(which.name.clone(), size_private, size_public)
            };
            let lab = Lab::up(&which.dir, settings)?;
            print!("{}", manifest::write(&lab.documents())?);
        }
        Cluster::Destroy { which } => match Lab::load(&which.dir, &which.name)? {
            Some(lab) => lab.down()?,
            None => eprintln!("lab {}: nothing to do", which.name),
        },
        Cluster::Env { which } => {
            let lab = existing(&which)?;
            println!("export OI_SERVER=http://{}", lab.api());
            println!("export OI_NATS_URL=nats://{}", lab.broker());
        }
        Cluster::Start { which, component } => start(&existing(&which)?, &component)?,
        Cluster::Stop { which, component, kill } => {
            let lab = existing(&which)?;
            let known = ["nats", "registry", "server"].contains(&component.as_str())
                || lab.hypervisors().iter().any(|h| h.name == component);
            if !known {
                return Err(CliError::NoComponent(component));
            }
            lab.daemon(&component).stop(if kill { Signal::KILL } else { Signal::TERM });
        }
    }
    Ok(())
}

/// Waits for whatever ends, for ever.
fn reap() -> Result<(), CliError> {
    loop {
        match rustix::process::wait(rustix::process::WaitOptions::empty()) {
            Ok(Some(_)) => {}
            // Nobody is there to be waited for.
            Ok(None) | Err(_) => std::thread::sleep(std::time::Duration::from_millis(500)),
        }
    }
}

fn run_worker(command: WorkerCommand) -> Result<(), CliError> {
    match command {
        WorkerCommand::Create { which, cluster, worker: name, with, behind_nat: nats, os } => {
            if let Some(name) = &name {
                name.parse::<Label>()?;
            }
            let lab = existing(&which)?;
            // Its images may be newer than the lab.
            lab.start_registry()?;
            let way = match with {
                With::Oi => Some(join::Way::Oi),
                With::Kubeadm => Some(join::Way::Kubeadm),
                With::Nothing => None,
            };
            join::create(&lab, Wanted { name, cluster, nats, os }, way)?;
        }
        WorkerCommand::List { which } => {
            for worker in existing(&which)?.workers() {
                let r = &worker.record;
                println!("{}\t{}\t{}\t{}", r.name, r.cluster, r.version, worker.address());
            }
        }
        WorkerCommand::Exec { which, worker, command } => {
            let lab = existing(&which)?;
            let (program, args) = command.split_first().map_or(("sh", &[][..]), |(p, a)| (p, a));
            let worker = lab.worker(&worker)?;
            let mut command = worker.command(program, args)?;
            let source = std::os::unix::process::CommandExt::exec(&mut command);
            Err(CommandError::Start { program: program.to_owned(), source })?;
        }
        WorkerCommand::Destroy { which, worker, leave } => {
            let lab = existing(&which)?;
            match lab.worker(&worker) {
                Ok(worker) => {
                    if leave {
                        worker.exec("oi", &["node".to_owned(), "leave".to_owned()])?;
                    }
                    worker.destroy()?;
                    eprintln!("worker {}: gone", worker.record.name);
                }
                Err(_) => eprintln!("worker {worker}: nothing to do"),
            }
        }
    }
    Ok(())
}

fn start(lab: &Lab, component: &str) -> Result<(), CliError> {
    match component {
        "nats" => lab.start_broker()?,
        "registry" => lab.start_registry()?,
        "server" => lab.start_server()?,
        name => {
            let hypervisors = lab.hypervisors();
            let h = hypervisors.iter().find(|h| h.name == name);
            let h = h.ok_or_else(|| CliError::NoComponent(name.to_owned()))?;
            lab.start_hypervisor(h)?;
            lab.wait_hypervisor(h)?;
        }
    }
    Ok(())
}

/// A name that can stand in interface, namespace and hypervisor names.
struct Label;

impl std::str::FromStr for Label {
    type Err = CliError;
    fn from_str(s: &str) -> Result<Label, CliError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = (1..=24).contains(&s.len()) && s.chars().all(plain) && !s.starts_with('-');
        if fits && Path::new(s).components().count() == 1 {
            return Ok(Label);
        }
        Err(CliError::Malformed(s.to_owned()))
    }
}
