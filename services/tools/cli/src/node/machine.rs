//! Verbs that make this machine a worker node, and end that.

use crate::client::Client;
use crate::error::Failure;
use crate::output;
use clap::{Args, Subcommand};
use oi_node_join::{Join, Leave, Machine};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is to be joined, and how to trust it.
#[derive(Args)]
pub struct JoinFlags {
    /// The node's name in the cluster; the host name where absent.
    #[arg(long)]
    nodename: Option<String>,
    /// host:port of the cluster's API, as `oi join-token create` prints it.
    #[arg(long)]
    apiserver_endpoint: String,
    /// The certificate of the cluster's authority, PEM.
    #[arg(long)]
    apiserver_ca_cert_file: PathBuf,
    /// The token, or the name of a file that holds it, after an @.
    #[arg(long, env = "OI_JOIN_TOKEN", hide_env_values = true)]
    join_token: String,
    /// The socket of the container runtime.
    #[arg(long, default_value = "unix:///run/containerd/containerd.sock")]
    cri_socket: String,
}

#[derive(Subcommand)]
pub enum MachineVerb {
    /// Make this machine a worker node of a cluster. Done again, only what is missing is done.
    Join {
        #[command(flatten)]
        join: JoinFlags,
        /// How long to wait until it is ready, seconds; 0 to not wait.
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// Link this machine to the tunnel of a cluster, and no more: what comes before
    /// `kubeadm join --config`. Prints the configuration for that, which holds the token.
    Connect(JoinFlags),
    /// End to be a worker node: have the pods go elsewhere, end the kubelet, remove what
    /// joining wrote.
    Leave {
        /// Leave also where pods stay, or the cluster does not answer.
        #[arg(long)]
        force: bool,
        /// How long pods may take to go, seconds.
        #[arg(long, default_value_t = 120)]
        timeout: u64,
    },
    /// Run the kubelet again and again, where there is no systemd (started by `join`).
    #[command(hide = true)]
    SuperviseKubelet,
    /// The same for the link to a tunnel.
    #[command(hide = true)]
    SuperviseLink,
    /// Be the link to a tunnel (started by systemd, or by the supervisor).
    #[command(hide = true)]
    RunLink,
}

/// Nothing else is to be done meanwhile: each of these may block.
pub fn run(client: &Client, verb: MachineVerb) -> Result<(), Failure> {
    use MachineVerb as Verb;
    if client.is_planning()
        && matches!(verb, Verb::Join { .. } | Verb::Connect(_) | Verb::Leave { .. })
    {
        return Err(Failure::Input(
            "joining and leaving cannot be planned: they change this machine".to_owned(),
        ));
    }
    let machine = Machine::default();
    match verb {
        Verb::Join { join, timeout } => {
            let join = join.read(Duration::from_secs(timeout))?;
            oi_node_join::join(&machine, &join, &mut say)?;
            eprintln!("node {}: {}", join.node, if timeout > 0 { "ready" } else { "joining" });
            Ok(())
        }
        Verb::Connect(join) => {
            let join = join.read(Duration::ZERO)?;
            output::print(&oi_node_join::connect(&machine, &join, &mut say)?)
        }
        Verb::Leave { force, timeout } => {
            let leave = Leave { patience: Duration::from_secs(timeout), force };
            Ok(oi_node_join::leave(&machine, &leave, &mut say)?)
        }
        Verb::SuperviseKubelet => Ok(oi_node_join::supervise(&machine)?),
        Verb::SuperviseLink => Ok(oi_node_join::supervise_link(&machine)?),
        Verb::RunLink => Ok(oi_node_join::run_link(&machine)?),
    }
}

fn say(text: &str) {
    eprintln!("{text}");
}

fn host_name() -> Result<String, Failure> {
    let path = Path::new("/proc/sys/kernel/hostname");
    let name = std::fs::read_to_string(path).map_err(Failure::file(path))?;
    Ok(name.trim().to_lowercase())
}

impl JoinFlags {
    /// What is asked for, by flags and the files that they name.
    fn read(self, patience: Duration) -> Result<Join, Failure> {
        let read = |path: &Path| std::fs::read_to_string(path).map_err(Failure::file(path));
        let token = match self.join_token.strip_prefix('@') {
            Some(file) => read(Path::new(file))?.trim().to_owned(),
            None => self.join_token,
        };
        Ok(Join {
            node: self.nodename.map_or_else(host_name, Ok)?,
            endpoint: self.apiserver_endpoint,
            authorities: read(&self.apiserver_ca_cert_file)?,
            token,
            runtime: self.cri_socket,
            patience,
        })
    }
}
