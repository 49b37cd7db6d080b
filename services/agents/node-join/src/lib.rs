//! Making this machine a worker node of a cluster, and ending that again.
//!
//! The layout on the machine is kubeadm's, so that its tools and habits go on working. All
//! that can be wrong is looked at before anything is changed ([`join`] asks the API with the
//! token); what is written then is written whole, and doing it again after a crash goes on
//! where it ended.

mod api;
mod error;
mod files;
mod kubelet;
mod leave;
mod machine;
mod pods;
mod service;
mod tunnel;

pub use error::JoinError;
pub use kubelet::supervise;
pub use leave::{Leave, leave};
pub use machine::Machine;
pub use oi_kube::KubeError;
pub use tunnel::{run_link, supervise_link};

use api::Cluster;
use files::Record;
use oi_events::chain;
use service::KUBELET;
use std::time::{Duration, Instant};

/// What is to be joined. It holds the token, and is not shown.
#[derive(Clone)]
pub struct Join {
    /// The node's name in the cluster, a DNS subdomain.
    pub node: String,
    /// `host:port` of the API.
    pub endpoint: String,
    /// The certificates by which it is trusted, PEM.
    pub authorities: String,
    /// `id.secret`.
    pub token: String,
    /// The container runtime's socket, `unix:///path`.
    pub runtime: String,
    /// How long the node may take to be ready; zero to not wait.
    pub patience: Duration,
}

/// Whether the machine was asked to be this node before; refused where it is another one.
fn begun(machine: &Machine, record: &Record) -> Result<bool, JoinError> {
    let before = machine.record()?;
    if before.as_ref().is_some_and(|b| b != record) || (before.is_none() && machine.is_node()) {
        return Err(JoinError::AnotherNode(before.map(|b| b.node)));
    }
    Ok(before.is_some())
}

/// The name is free, or may be this machine's: it was interrupted.
fn check_name(cluster: &Cluster, join: &Join, begun: bool) -> Result<(), JoinError> {
    if !begun && cluster.has_node(&join.node)? {
        return Err(JoinError::NameTaken(join.node.clone()));
    }
    Ok(())
}

/// Makes the machine a node. Where it is this node already, only what is missing is done.
/// `say` is told each step.
///
/// # Errors
/// Before anything is changed, where it cannot work; later ones leave what another attempt
/// needs.
pub fn join(machine: &Machine, join: &Join, say: &mut dyn FnMut(&str)) -> Result<(), JoinError> {
    let kubelet = machine.check(join)?;
    let record = Record::of(join);
    let begun = begun(machine, &record)?;
    let member = machine.is_member();
    let mut anew = !member;
    if member {
        say("it has joined already");
        anew = tunnel::catch_up(machine, join, say)?;
    } else {
        let cluster = Cluster::with_token(join)?;
        say(&format!("asking https://{} with the token", join.endpoint));
        let config = cluster.kubelet_config()?;
        check_name(&cluster, join, begun)?;
        let hub = tunnel::find(machine, join, &cluster)?;
        machine.write_record(&record)?;
        let address = match hub {
            Some(hub) => Some(tunnel::link(machine, join, &cluster, &hub, say)?),
            None => None,
        };
        say("writing the kubelet's configuration");
        machine.write(join, &config, address)?;
    }
    tunnel::start(machine)?;
    if member && anew {
        machine.stop_kubelet()?;
    }
    say(&machine.start_kubelet(&kubelet, anew)?);
    if join.patience.is_zero() {
        return Ok(());
    }
    wait(machine, join, say)
}

/// Links the machine to the tunnel of a cluster, for a `kubeadm join` that comes next; returns
/// the configuration for that. Done again, only what is missing is done.
///
/// # Errors
/// As with [`join`], and where the cluster has no tunnel.
pub fn connect(
    machine: &Machine,
    join: &Join,
    say: &mut dyn FnMut(&str),
) -> Result<String, JoinError> {
    machine.check_words(join)?;
    let record = Record::of(join);
    let begun = begun(machine, &record)?;
    let cluster = Cluster::with_token(join)?;
    check_name(&cluster, join, begun)?;
    let hub = tunnel::find(machine, join, &cluster)?.ok_or(JoinError::NoTunnel)?;
    machine.write_record(&record)?;
    let address = tunnel::link(machine, join, &cluster, &hub, say)?;
    machine.write_discovery(join)?;
    Ok(files::join_configuration(join, address))
}

/// Waits until the kubelet has its own credentials and the node is ready.
fn wait(machine: &Machine, join: &Join, say: &mut dyn FnMut(&str)) -> Result<(), JoinError> {
    let end = Instant::now() + join.patience;
    let mut said = String::new();
    loop {
        let state = match machine.own_credentials()? {
            None => "waiting for the kubelet's certificate".to_owned(),
            Some(identity) => {
                // The token has done its work.
                machine.forget_token()?;
                match Cluster::with(join, identity).and_then(|c| c.readiness(&join.node)) {
                    Ok(None) => return Ok(()),
                    Ok(Some(why)) => why,
                    Err(error) => chain(&error),
                }
            }
        };
        if Instant::now() >= end {
            return Err(JoinError::NotReady {
                node: join.node.clone(),
                seconds: join.patience.as_secs(),
                state,
                log: machine.log_of(KUBELET),
            });
        }
        if state != said {
            say(&state);
            said = state;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
