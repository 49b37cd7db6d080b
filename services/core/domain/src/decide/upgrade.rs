//! Decisions about upgrades: one component at a time, in the order that Kubernetes'
//! version skew policy asks for.

use super::{known, settled};
use crate::network::check_version;
use crate::rejection::Rejection;
use crate::state::{Cluster, ClusterPhase, State};
use oi_events::{
    ChangeUpgradeV1, ClusterName, Component, ComponentVersionChangedV1, Event, Generation,
    UpgradeChange, UpgradeChangedV1, UpgradeClusterV1, UpgradeEndedV1, UpgradeStartedV1,
};

/// No component may be newer than the API servers: they go first, and back last.
const ORDER: [Component; 3] =
    [Component::ApiServer, Component::ControllerManager, Component::Scheduler];

pub(super) fn start(state: &State, c: &UpgradeClusterV1) -> Result<Vec<Event>, Rejection> {
    let cluster = settled(state, &c.name)?;
    let (from, to) = (&cluster.kubernetes_version, &c.to);
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

pub(super) fn change(state: &State, c: &ChangeUpgradeV1) -> Result<Vec<Event>, Rejection> {
    let cluster = known(state, &c.name)?;
    let upgrade = cluster.upgrade.as_ref().ok_or_else(|| Rejection::NoUpgrade(c.name.clone()))?;
    let (paused, back) = match c.change {
        UpgradeChange::Pause => (true, upgrade.back),
        UpgradeChange::Resume => (false, upgrade.back),
        UpgradeChange::RollBack => (false, true),
    };
    // Once no API server of the older minor release is left, objects may be stored in
    // forms that it cannot read.
    let of_before = |v: &oi_events::KubernetesVersion| v.minor() == upgrade.from.minor();
    if back
        && !upgrade.back
        && upgrade.to.minor() != upgrade.from.minor()
        && !cluster
            .carriers(Component::ApiServer)
            .iter()
            .any(|(_, n)| of_before(&n.versions.api_server))
    {
        return Err(Rejection::UpgradeImpossible {
            cluster: c.name.clone(),
            from: upgrade.to.clone(),
            to: upgrade.from.clone(),
            problem: "all API servers run the new minor release, and objects may be stored in its form: let the upgrade finish",
        });
    }
    if (paused, back) == (upgrade.paused, upgrade.back) {
        return Ok(Vec::new());
    }
    Ok(vec![UpgradeChangedV1 { name: c.name.clone(), paused, back }.into()])
}

/// The next component, once all that runs is ready; the end, when there is none.
pub(super) fn step(cluster: &Cluster, name: &ClusterName, generation: Generation) -> Option<Event> {
    let upgrade = cluster.upgrade.as_ref()?;
    if upgrade.paused || !cluster.is_settled() {
        return None;
    }
    let target = upgrade.target();
    let mut order = ORDER;
    if upgrade.back {
        order.reverse();
    }
    for component in order {
        for (node, n) in cluster.carriers(component) {
            if n.versions.of(component) != target {
                return Some(
                    ComponentVersionChangedV1 {
                        cluster: name.clone(),
                        node: node.clone(),
                        component,
                        version: target.clone(),
                        generation,
                    }
                    .into(),
                );
            }
        }
    }
    Some(UpgradeEndedV1 { name: name.clone(), version: target.clone() }.into())
}
