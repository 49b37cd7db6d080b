//! Leaves a cluster.

use crate::api::Cluster;
use crate::error::JoinError;
use crate::machine::Machine;
use crate::{pods, tunnel};
use oi_events::chain;
use std::time::{Duration, Instant};

/// How a machine leaves.
#[derive(Debug, Clone)]
pub struct Leave {
    /// How long evicted pods may take to end.
    pub patience: Duration,
    /// Leave even if pods stay, or the cluster does not answer.
    pub force: bool,
}

/// Evicts the pods, tells the cluster, stops the kubelet, and removes what joining wrote. Called
/// again, it continues where it ended. On a machine that is no node, it does nothing.
///
/// # Errors
/// If pods stay, unless forced. What they need is left as it is then.
pub fn leave(machine: &Machine, leave: &Leave, say: &mut dyn FnMut(&str)) -> Result<(), JoinError> {
    if !rustix::process::geteuid().is_root() {
        return Err(JoinError::NotRoot);
    }
    let Some(record) = machine.record()? else {
        if machine.is_node() {
            return Err(JoinError::AnotherNode(None));
        }
        say("this machine is no node: nothing to do");
        return Ok(());
    };
    if let Some(identity) = machine.own_credentials()? {
        let cluster = Cluster::at(&record.endpoint, &record.authorities, identity)?;
        let drained = drain(&cluster, &record.node, leave, say);
        match drained.and_then(|()| cluster.mark_left(&record.node)) {
            Ok(_) => {}
            Err(error) if !leave.force => return Err(error),
            Err(error) => {
                say(&format!("not drained: {}", chain(&error)));
                if let Err(error) = cluster.mark_left(&record.node) {
                    say(&format!(
                        "the cluster does not know ({}): `kubectl delete node {}`",
                        chain(&error),
                        record.node
                    ));
                }
            }
        }
    }
    say("ending the kubelet");
    machine.stop_kubelet()?;
    match pods::remove_all(&record.runtime) {
        Ok(0) => {}
        Ok(count) => say(&format!("{count} pod(s) removed from the container runtime")),
        Err(error) if leave.force => say(&format!("pods stay: {}", chain(&error))),
        Err(error) => return Err(error),
    }
    tunnel::end(machine)?;
    pods::unmount_below(&machine.path("var/lib/kubelet"))?;
    machine.clear()?;
    say(
        "interfaces and packet filters of the cluster's network stay until the machine starts anew",
    );
    say(&format!("this machine is no longer node {}", record.node));
    Ok(())
}

fn drain(
    cluster: &Cluster,
    node: &str,
    leave: &Leave,
    say: &mut dyn FnMut(&str),
) -> Result<(), JoinError> {
    if !cluster.cordon(node)? {
        return Ok(());
    }
    let patience = if leave.force { Duration::ZERO } else { leave.patience };
    let end = Instant::now() + patience;
    let mut said = 0;
    loop {
        let pods = cluster.pods(node)?;
        if pods.is_empty() {
            break;
        }
        if pods.len() != said {
            said = pods.len();
            say(&format!("{said} pod(s) are to go elsewhere"));
        }
        for (namespace, pod) in &pods {
            cluster.evict(namespace, pod)?;
        }
        if Instant::now() >= end {
            let names: Vec<_> = pods.iter().map(|(ns, name)| format!("{ns}/{name}")).collect();
            return Err(JoinError::Undrained(pods.len(), names.join(", ")));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}
