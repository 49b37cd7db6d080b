//! The daemon of the link: `oi node run-link`, under systemd or `oi node supervise-link`. Both are
//! hidden verbs of the user's CLI, because it is the one program of ours on a worker machine.

use super::{CONFIG, STATUS, own_key, write};
use crate::api::Cluster;
use crate::error::JoinError;
use crate::files::{failed, read};
use crate::machine::Machine;
use crate::record::Record;
use crate::service::{LINK, own_program};
use oi_events::chain;
use oi_tunnel::{Link, LinkConfig};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The interval at which the cluster is asked for changes.
const FOLLOW: Duration = Duration::from_secs(30);

/// The link's unit.
pub fn unit(program: &Path) -> String {
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

/// Supervises the link on a machine without systemd. Returns only if another supervisor lives.
///
/// # Errors
/// If its files cannot be written.
pub fn supervise_link(machine: &Machine) -> Result<(), JoinError> {
    let program = own_program()?;
    machine.supervise(LINK, &machine.path(CONFIG), || {
        // By its path: the program may have been replaced since.
        let mut command = Command::new(&program);
        command.args(["node", "run-link"]);
        Ok(command)
    })
}

/// Runs the link until it fails, or its configuration changes.
///
/// # Errors
/// See [`oi_tunnel::TunnelError`].
pub fn run_link(machine: &Machine) -> Result<(), JoinError> {
    let (config, status) = (machine.path(CONFIG), machine.path(STATUS));
    if let Some(dir) = status.parent() {
        std::fs::create_dir_all(dir).map_err(failed(dir))?;
    }
    let follower = machine.clone();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(FOLLOW);
            // The next look tries again.
            if let Err(error) = follow(&follower) {
                eprintln!("the cluster cannot be followed: {}", chain(&error));
            }
        }
    });
    Ok(oi_tunnel::link(&Link { config: &config, status: Some(&status) })?)
}

/// Follows the cluster: the hub may have moved, or the machine may have lost its address while
/// its Node was gone.
fn follow(machine: &Machine) -> Result<(), JoinError> {
    let (Some(Record { node, endpoint, authorities, .. }), Some(identity)) =
        (machine.record()?, machine.own_credentials()?)
    else {
        return Ok(());
    };
    let cluster = Cluster::at(&endpoint, &authorities, identity)?;
    let Some(hub) = cluster.hub()? else { return Ok(()) };
    if let Some(key) = own_key(machine)?
        && cluster.peer(&node)?.is_none()
    {
        cluster.request_peer(&node, &key.public())?;
    }
    let path = machine.path(CONFIG);
    let text = read(&path)?.unwrap_or_default();
    let config: LinkConfig = serde_json::from_str(&text)
        .map_err(|e| JoinError::Damaged { path, problem: e.to_string() })?;
    let now = LinkConfig { hub: hub.hub, hub_key: hub.key, ..config.clone() };
    if now == config { Ok(()) } else { write(machine, &now) }
}
