//! Makes this machine a worker node of a cluster, and undoes that.
//!
//! The layout on the machine is kubeadm's, so that its tools and habits keep working. Everything
//! that can be wrong is checked before anything changes. Files are written whole, so that another
//! attempt after a crash continues where it ended.
//!
//! `tunnel` links the machine to its cluster's tunnel. `service` runs the kubelet and the link.

mod api;
mod documents;
mod error;
mod files;
mod kubelet;
mod leave;
mod machine;
mod pods;
mod record;
mod service;
mod tunnel;

pub use error::JoinError;
pub use kubelet::supervise;
pub use leave::{Leave, leave};
pub use machine::Machine;
pub use oi_kube::KubeError;
pub use tunnel::{run_link, supervise_link};

use api::Cluster;
use oi_events::chain;
use record::Record;
use service::KUBELET;
use std::time::{Duration, Instant};

/// A request to join. It has the token, and is never printed.
#[derive(Clone)]
pub struct Join {
    /// The node's name in the cluster, a DNS subdomain.
    pub node: String,
    /// `host:port` of the API.
    pub endpoint: String,
    /// The API's CA certificates, PEM.
    pub authorities: String,
    /// `id.secret`.
    pub token: String,
    /// The container runtime's socket, `unix:///path`.
    pub runtime: String,
    /// How long to wait for the node to be ready; zero not to wait.
    pub patience: Duration,
}

/// Whether an earlier attempt began to make the machine this node. Another node is rejected.
fn begun(machine: &Machine, record: &Record) -> Result<bool, JoinError> {
    let before = machine.record()?;
    if before.as_ref().is_some_and(|b| b != record) || (before.is_none() && machine.is_node()) {
        return Err(JoinError::AnotherNode(before.map(|b| b.node)));
    }
    Ok(before.is_some())
}

/// Checks that the name is free, or that an earlier attempt took it.
fn check_name(cluster: &Cluster, join: &Join, begun: bool) -> Result<(), JoinError> {
    if !begun && cluster.has_node(&join.node)? {
        return Err(JoinError::NameTaken(join.node.clone()));
    }
    Ok(())
}

/// Makes the machine a node. If it is this node already, does only what is missing. Calls `say`
/// with each step.
///
/// # Errors
/// If it cannot work, before anything changes. A later error leaves what another attempt needs.
pub fn join(machine: &Machine, join: &Join, say: &mut dyn FnMut(&str)) -> Result<(), JoinError> {
    let kubelet = machine.check(join)?;
    let record = Record::of(join);
    let begun = begun(machine, &record)?;
    let member = machine.is_member();
    let mut restart = !member;
    if member {
        say("it has joined already");
        restart = tunnel::catch_up(machine, join, say)?;
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
    if member && restart {
        machine.stop_kubelet()?;
    }
    say(&machine.start_kubelet(&kubelet, restart)?);
    if join.patience.is_zero() {
        return Ok(());
    }
    wait(machine, join, say)
}

/// Links the machine to the tunnel of a cluster, ahead of a `kubeadm join`. Returns the
/// configuration of that. Called again, does only what is missing.
///
/// # Errors
/// As with [`join`], and if the cluster has no tunnel.
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
    Ok(documents::join_configuration(join, address))
}

/// Waits until the kubelet has its own credentials and the node is ready.
fn wait(machine: &Machine, join: &Join, say: &mut dyn FnMut(&str)) -> Result<(), JoinError> {
    let end = Instant::now() + join.patience;
    let mut said = String::new();
    loop {
        let state = match machine.own_credentials()? {
            None => "waiting for the kubelet's certificate".to_owned(),
            Some(identity) => {
                // The token is not needed any more.
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
