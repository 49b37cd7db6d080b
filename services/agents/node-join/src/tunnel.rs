//! The link to the hub of a cluster's tunnel, where it has one: with it, it does not matter
//! behind how many NATs this machine is. Its key is made here, and stays here.

use crate::Join;
use crate::api::{Cluster, Hub};
use crate::error::JoinError;
use crate::files::{self, Record, failed, read};
use crate::machine::Machine;
use crate::service::{LINK, own_program};
use ipnet::Ipv4Net;
use oi_tunnel::{INTERFACE, Key, Link, LinkConfig};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub const CONFIG: &str = "etc/kubernetes/oi-tunnel.json";
/// The private key alone, from before there is anything to configure.
pub const KEY: &str = "etc/kubernetes/oi-tunnel.key";
/// Without the root's slash.
const STATUS: &str = "run/oi/oi-tunnel.status";
/// Until a link is given, and until the hub answers.
const PATIENCE: Duration = Duration::from_secs(60);
const ANSWERS: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(250);
/// How often the cluster is asked whether all is as it was.
const LOOK: Duration = Duration::from_secs(30);

fn own_key(machine: &Machine) -> Result<Option<Key>, JoinError> {
    let path = machine.path(KEY);
    let Some(text) = read(&path)? else { return Ok(None) };
    let damaged = || JoinError::Damaged { path, problem: "it holds no key".to_owned() };
    Key::parse(text.trim()).map(Some).ok_or_else(damaged)
}

/// The hub, if the cluster has one; refuses what cannot work, before anything is changed.
pub fn find(machine: &Machine, join: &Join, cluster: &Cluster) -> Result<Option<Hub>, JoinError> {
    let Some(hub) = cluster.hub()? else { return Ok(None) };
    if !machine.path("dev/net/tun").exists() {
        return Err(JoinError::NoTun);
    }
    let own = own_key(machine)?.map(|key| key.public());
    match cluster.link(&join.node)? {
        Some((key, _)) if own != Some(key) => Err(JoinError::LinkTaken(join.node.clone())),
        _ => Ok(Some(hub)),
    }
}

/// This machine has a link that works; its address.
pub fn link(
    machine: &Machine,
    join: &Join,
    cluster: &Cluster,
    hub: &Hub,
    say: &mut dyn FnMut(&str),
) -> Result<Ipv4Addr, JoinError> {
    let key = match own_key(machine)? {
        Some(key) => key,
        None => {
            let mut bytes = [0; 32];
            getrandom::fill(&mut bytes).map_err(|e| JoinError::Random(e.into()))?;
            files::write(&machine.path(KEY), 0o600, &format!("{}\n", Key(bytes)))?;
            Key(bytes)
        }
    };
    let address = ask(join, cluster, &key, say)?;
    let prefix = hub.cidr.prefix_len();
    let config = LinkConfig {
        private_key: key,
        address: Ipv4Net::new(address, prefix).unwrap_or_else(|_| address.into()),
        hub_key: hub.key,
        hub: hub.hub,
        routes: Vec::new(),
    };
    write(machine, &config)?;
    say(&start(machine)?);
    let (end, status) = (Instant::now() + ANSWERS, machine.path(STATUS));
    while read(&status)?.is_none_or(|status| status.trim() != "up") {
        if Instant::now() >= end {
            let hub = hub.hub.map(|hub| hub.to_string()).unwrap_or_default();
            return Err(JoinError::HubSilent { hub, log: machine.log_of(LINK) });
        }
        std::thread::sleep(POLL);
    }
    say(&format!("linked to the cluster's tunnel as {address}"));
    Ok(address)
}

/// The address that goes with the key; asks for one where none was given yet.
fn ask(
    join: &Join,
    cluster: &Cluster,
    key: &Key,
    say: &mut dyn FnMut(&str),
) -> Result<Ipv4Addr, JoinError> {
    let (public, end) = (key.public(), Instant::now() + PATIENCE);
    let mut asked = false;
    loop {
        match cluster.link(&join.node)? {
            Some((key, address)) if key == public => return Ok(address),
            Some(_) => return Err(JoinError::LinkTaken(join.node.clone())),
            None if !asked => {
                say("asking for a link to the cluster's tunnel");
                cluster.ask_for_link(&join.node, &public)?;
                asked = true;
            }
            None if Instant::now() >= end => return Err(JoinError::NoLink(PATIENCE.as_secs())),
            None => std::thread::sleep(POLL),
        }
    }
}

/// Links a machine whose cluster has got its tunnel after it had joined; whether it did.
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
    // Whether it is there at all is for whoever waits for the node.
    let Ok(Some(_)) = cluster.hub() else { return Ok(false) };
    let Some(hub) = find(machine, join, &cluster)? else { return Ok(false) };
    let address = link(machine, join, &cluster, &hub, say)?;
    machine.write_flags(join, Some(address))?;
    Ok(true)
}

fn write(machine: &Machine, config: &LinkConfig) -> Result<(), JoinError> {
    let text = serde_json::to_string_pretty(config).unwrap_or_default();
    files::write(&machine.path(CONFIG), 0o600, &text)
}

fn unit(program: &Path) -> String {
    format!(
        "[Unit]
Description=Link to the tunnel of a Kubernetes cluster
Wants=network-online.target
After=network-online.target
Before=kubelet.service
StartLimitIntervalSec=0

[Service]
ExecStart={} node run-link
Restart=always
RestartSec=1
RuntimeDirectory=oi
RuntimeDirectoryPreserve=yes

[Install]
WantedBy=multi-user.target
",
        program.display()
    )
}

/// The link runs, where there is to be one; what was done.
pub fn start(machine: &Machine) -> Result<String, JoinError> {
    if !machine.path(CONFIG).exists() {
        return Ok(String::new());
    }
    machine.start(LINK, &unit(&own_program()?), false)
}

/// No link runs, and its interface is gone.
pub fn end(machine: &Machine) -> Result<(), JoinError> {
    if !machine.path(CONFIG).exists() && !machine.path(KEY).exists() {
        return Ok(());
    }
    machine.stop(LINK)?;
    files::remove(&machine.path(STATUS))?;
    // Only where nothing else is in it.
    let _ = std::fs::remove_dir(machine.run_dir());
    if machine.path("sys/class/net").join(INTERFACE).exists() {
        crate::service::run(Command::new("ip").args(["link", "delete", INTERFACE]))?;
    }
    Ok(())
}

/// Keeps the link running, where there is no systemd. Returns only where another one is at it
/// already.
///
/// # Errors
/// Where its files cannot be made.
pub fn supervise_link(machine: &Machine) -> Result<(), JoinError> {
    let program = own_program()?;
    machine.supervise(LINK, &machine.path(CONFIG), || {
        // By its name: it may have been replaced since.
        let mut command = Command::new(&program);
        command.args(["node", "run-link"]);
        Ok(command)
    })
}

/// Is the link, until it fails or is to be another one.
///
/// # Errors
/// See [`oi_tunnel::VpnError`].
pub fn run_link(machine: &Machine) -> Result<(), JoinError> {
    let (config, status) = (machine.path(CONFIG), machine.path(STATUS));
    if let Some(dir) = status.parent() {
        std::fs::create_dir_all(dir).map_err(failed(dir))?;
    }
    let looks = machine.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(LOOK);
            // It is tried again.
            let _ = follow(&looks);
        }
    });
    Ok(oi_tunnel::link(&Link { config: &config, status: Some(&status) })?)
}

/// The hub may be elsewhere, or have forgotten this machine while its Node was gone: the
/// cluster knows.
fn follow(machine: &Machine) -> Result<(), JoinError> {
    let (Some(Record { node, endpoint, authorities, .. }), Some(identity)) =
        (machine.record()?, machine.own_credentials()?)
    else {
        return Ok(());
    };
    let cluster = Cluster::at(&endpoint, &authorities, identity)?;
    let Some(hub) = cluster.hub()? else { return Ok(()) };
    if let Some(key) = own_key(machine)?
        && cluster.link(&node)?.is_none()
    {
        cluster.ask_for_link(&node, &key.public())?;
    }
    let path = machine.path(CONFIG);
    let text = read(&path)?.unwrap_or_default();
    let config: LinkConfig = serde_json::from_str(&text)
        .map_err(|e| JoinError::Damaged { path, problem: e.to_string() })?;
    let now = LinkConfig { hub: hub.hub, hub_key: hub.key, ..config.clone() };
    if now == config { Ok(()) } else { write(machine, &now) }
}
