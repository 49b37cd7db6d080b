//! Decisions about upgrades.

use super::Upgrade;
use super::reactions::ORDER;
use crate::cluster::spec::check_version;
use crate::cluster::{Cluster, ClusterPhase};
use crate::guards::{known, next_generation, settled};
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{
    ChangeUpgradeV1, ClusterName, Component, ComponentVersionChangedV1, Event, Generation,
    NodeName, UpgradeChange, UpgradeChangedV1, UpgradeClusterV1, UpgradeCommand, UpgradeStartedV1,
};

/// The level from which on the images of an upgrade are looked for first, and a way back begins
/// with what cannot start.
pub(crate) const SAFE_UPGRADES: u16 = 4;

/// How often images are looked for on a hypervisor before the upgrade is taken back.
const IMAGE_TRIES: u32 = 6;

/// Decides a command.
pub(crate) fn decide(state: &State, command: &UpgradeCommand) -> Result<Vec<Event>, Rejection> {
    match command {
        UpgradeCommand::UpgradeCluster(c) => start(state, c),
        UpgradeCommand::ChangeUpgrade(c) => change(state, c),
    }
}

fn start(state: &State, c: &UpgradeClusterV1) -> Result<Vec<Event>, Rejection> {
    let cluster = settled(state, &c.name)?;
    let (from, to) = (&cluster.spec.kubernetes_version, &c.to);
    if let Some(upgrade) = &cluster.upgrade {
        if upgrade.to == *to && !upgrade.back {
            return Ok(Vec::new());
        }
        return Err(Rejection::UpgradeRunning {
            cluster: c.name.clone(),
            to: upgrade.target().clone(),
        });
    }
    if from == to {
        return Ok(Vec::new());
    }
    check_version(to)?;
    let refuse = |problem| Rejection::UpgradeImpossible {
        cluster: c.name.clone(),
        from: from.clone(),
        to: to.clone(),
        problem,
    };
    if to < from {
        return Err(refuse("Kubernetes cannot go down a version"));
    }
    if to.minor() > from.minor() + 1 {
        return Err(refuse("minor versions cannot be skipped, so go through the ones between"));
    }
    if cluster.phase != ClusterPhase::Ready {
        return Err(refuse("the cluster is not ready yet"));
    }
    if cluster.rotation.is_some() {
        return Err(refuse("its authorities are being replaced, so finish that first"));
    }
    let (name, from, to) = (c.name.clone(), from.clone(), to.clone());
    Ok(vec![UpgradeStartedV1 { name, from, to }.into()])
}

fn change(state: &State, c: &ChangeUpgradeV1) -> Result<Vec<Event>, Rejection> {
    let cluster = known(state, &c.name)?;
    let upgrade = cluster.upgrade.as_ref().ok_or_else(|| Rejection::NoUpgrade(c.name.clone()))?;
    let (paused, back) = match c.change {
        UpgradeChange::Pause => (true, upgrade.back),
        UpgradeChange::Resume => (false, upgrade.back),
        UpgradeChange::RollBack => (false, true),
    };
    if back && !upgrade.back && is_behind_all(cluster, upgrade) {
        return Err(Rejection::UpgradeImpossible {
            cluster: c.name.clone(),
            from: upgrade.to.clone(),
            to: upgrade.from.clone(),
            problem: "all API servers run the new minor release, and objects may be stored in its form: let the upgrade finish",
        });
    }
    let mut events = Vec::new();
    if (paused, back) != (upgrade.paused, upgrade.back) {
        events.push(UpgradeChangedV1 { name: c.name.clone(), paused, back }.into());
    }
    if c.change == UpgradeChange::RollBack && state.level() >= SAFE_UPGRADES {
        events.extend(begun_undone(cluster, &c.name, upgrade, next_generation(state)));
    }
    Ok(events)
}

/// Whether the older minor release is behind all API servers: once none of it is left, and one of
/// the newer was ready, objects may be stored in forms that the older cannot read.
fn is_behind_all(cluster: &Cluster, upgrade: &Upgrade) -> bool {
    let (old, servers) = (upgrade.from.minor(), cluster.carriers(Component::ApiServer));
    upgrade.served
        && upgrade.to.minor() != old
        && !servers.iter().any(|(_, n)| n.versions.api_server.minor() == old)
}

/// Of each node that is not ready, the component that was replaced last goes back at once: it may
/// be what cannot start, and nothing else would ever follow.
fn begun_undone(
    cluster: &Cluster,
    name: &ClusterName,
    upgrade: &Upgrade,
    generation: Generation,
) -> Vec<Event> {
    let unready = cluster.staying(|n| !n.is_ready()).into_iter();
    let undone = unready.filter_map(|(node, n)| {
        let is_new =
            |c: &&Component| n.components.contains(*c) && *n.versions.of(**c) != upgrade.from;
        let component = *ORDER.iter().rev().find(is_new)?;
        let (cluster, node, version) = (name.clone(), node.clone(), upgrade.from.clone());
        let changed = ComponentVersionChangedV1 { cluster, node, component, version, generation };
        Some(changed.into())
    });
    undone.collect()
}

/// What follows when images were not found on the hypervisor of a node: after some tries, or where
/// there is no hope, the upgrade is taken back. Nothing was replaced yet, or only what has its
/// images. A hypervisor that is away says nothing about images.
pub(crate) fn images_missing(
    state: &State,
    name: &ClusterName,
    node: &NodeName,
    tries: u32,
    hopeless: bool,
) -> Option<Event> {
    let cluster = state.clusters.get(name)?;
    let upgrade = cluster.upgrade.as_ref()?;
    let hypervisor = cluster.nodes.get(node).and_then(|n| state.hypervisors.get(&n.hypervisor));
    let may_come = hypervisor.is_none_or(|h| h.is_away()) || tries < IMAGE_TRIES;
    if may_come && !hopeless || upgrade.back || is_behind_all(cluster, upgrade) {
        return None;
    }
    Some(UpgradeChangedV1 { name: name.clone(), paused: false, back: true }.into())
}
