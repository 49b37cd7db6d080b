//! Decisions about upgrades.

use crate::cluster::ClusterPhase;
use crate::cluster::spec::check_version;
use crate::guards::{known, settled};
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{
    ChangeUpgradeV1, Component, Event, UpgradeChange, UpgradeChangedV1, UpgradeClusterV1,
    UpgradeCommand, UpgradeStartedV1,
};

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
