//! The machine's link to the hub of a cluster's tunnel, if the cluster has one. With it, any
//! number of NATs may be between the machine and the cluster. The link's key is made here, and
//! never leaves the machine.

mod daemon;

pub use daemon::{run_link, supervise_link};

use crate::Join;
use crate::api::{Cluster, Hub};
use crate::error::JoinError;
use crate::files::{self, read};
use crate::machine::Machine;
use crate::service::{LINK, own_program};
use oi_tunnel::{INTERFACE, Key, KeyError, LinkConfig};
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

/// The link's configuration.
pub const CONFIG: &str = "etc/kubernetes/oi-tunnel.json";
/// The private key alone, from before there is a configuration.
pub const KEY: &str = "etc/kubernetes/oi-tunnel.key";
/// The link's status: `up` or `down`.
const STATUS: &str = "run/oi/oi-tunnel.status";
/// How long to wait for an address in the tunnel.
const ADDRESS: Duration = Duration::from_secs(60);
/// How long to wait for the hub.
const HUB: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(250);

fn own_key(machine: &Machine) -> Result<Option<Key>, JoinError> {
    let path = machine.path(KEY);
    let Some(text) = read(&path)? else { return Ok(None) };
    let damaged = |e: KeyError| JoinError::Damaged { path, problem: e.to_string() };
    text.trim().parse().map(Some).map_err(damaged)
}

/// The hub, if the cluster has one. Rejects what cannot work, before anything changes.
pub fn find(machine: &Machine, join: &Join, cluster: &Cluster) -> Result<Option<Hub>, JoinError> {
    let Some(hub) = cluster.hub()? else { return Ok(None) };
    if !machine.path("dev/net/tun").exists() {
        return Err(JoinError::NoTun);
    }
    let own = own_key(machine)?.map(|key| key.public());
    match cluster.peer(&join.node)? {
        Some((key, _)) if own != Some(key) => Err(JoinError::LinkTaken(join.node.clone())),
        _ => Ok(Some(hub)),
    }
}

/// Links the machine to the hub, and waits until the hub answers. Returns the machine's address
/// in the tunnel.
pub fn link(
    machine: &Machine,
    join: &Join,
    cluster: &Cluster,
    hub: &Hub,
    say: &mut dyn FnMut(&str),
) -> Result<Ipv4Addr, JoinError> {
    let key = match own_key(machine)? {
        Some(key) => key,
        None => make_key(machine)?,
    };
    let address = request_address(join, cluster, &key, say)?;
    let config = LinkConfig {
        private_key: key,
        address: hub.address(address)?,
        hub_key: hub.key,
        hub: hub.hub,
        routes: Vec::new(),
    };
    write(machine, &config)?;
    say(&start(machine)?);
    let (end, status) = (Instant::now() + HUB, machine.path(STATUS));
    while read(&status)?.is_none_or(|status| status.trim() != "up") {
        if Instant::now() >= end {
            let hub = hub.hub.map_or("(no ingress)".to_owned(), |hub| hub.to_string());
            return Err(JoinError::HubSilent { hub, log: machine.log_of(LINK) });
        }
        std::thread::sleep(POLL);
    }
    say(&format!("linked to the cluster's tunnel as {address}"));
    Ok(address)
}

fn make_key(machine: &Machine) -> Result<Key, JoinError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| JoinError::Random(e.into()))?;
    files::write(&machine.path(KEY), 0o600, &format!("{}\n", Key(bytes)))?;
    Ok(Key(bytes))
}

/// The address that belongs to the key. Asks for one unless there is one.
fn request_address(
    join: &Join,
    cluster: &Cluster,
    key: &Key,
    say: &mut dyn FnMut(&str),
) -> Result<Ipv4Addr, JoinError> {
    let (public, end) = (key.public(), Instant::now() + ADDRESS);
    let mut requested = false;
    loop {
        match cluster.peer(&join.node)? {
            Some((key, address)) if key == public => return Ok(address),
            Some(_) => return Err(JoinError::LinkTaken(join.node.clone())),
            None if !requested => {
                say("asking for a link to the cluster's tunnel");
                cluster.request_peer(&join.node, &public)?;
                requested = true;
            }
            None if Instant::now() >= end => return Err(JoinError::NoLink(ADDRESS.as_secs())),
            None => std::thread::sleep(POLL),
        }
    }
}

/// Links a machine that joined before its cluster had a tunnel. Returns whether it did.
pub fn catch_up(
    machine: &Machine,
    join: &Join,
    say: &mut dyn FnMut(&str),
) -> Result<bool, JoinError> {
    let Some(identity) = machine.own_credentials()? else { return Ok(false) };
    if machine.path(CONFIG).exists() {
        return Ok(false);
    }
    let cluster = Cluster::with(join, identity)?;
    match cluster.hub() {
        Ok(Some(_)) => {}
        Ok(None) => return Ok(false),
        Err(error @ JoinError::ConfigMap { .. }) => return Err(error),
        // A cluster that does not answer is reported by the wait for the node.
        Err(_) => return Ok(false),
    }
    let Some(hub) = find(machine, join, &cluster)? else { return Ok(false) };
    let address = link(machine, join, &cluster, &hub, say)?;
    machine.write_flags(join, Some(address))?;
    Ok(true)
}

fn write(machine: &Machine, config: &LinkConfig) -> Result<(), JoinError> {
    files::write_json(&machine.path(CONFIG), config)
}

/// Starts the link, if the machine has one. Returns what was done.
pub fn start(machine: &Machine) -> Result<String, JoinError> {
    if !machine.path(CONFIG).exists() {
        return Ok(String::new());
    }
    machine.start(LINK, &daemon::unit(&own_program()?), false)
}

/// Stops the link, and removes its interface.
pub fn end(machine: &Machine) -> Result<(), JoinError> {
    if !machine.path(CONFIG).exists() && !machine.path(KEY).exists() {
        return Ok(());
    }
    machine.stop(LINK)?;
    files::remove(&machine.path(STATUS))?;
    files::remove_empty(&machine.run_dir())?;
    if machine.path("sys/class/net").join(INTERFACE).exists() {
        crate::service::run(Command::new("ip").args(["link", "delete", INTERFACE]))?;
    }
    Ok(())
}
