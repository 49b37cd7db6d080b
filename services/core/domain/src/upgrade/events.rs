//! What events about upgrades change.

use crate::job::events::{forget_failures, forget_node_failures};
use crate::state::State;
use crate::upgrade::commands::SAFE_UPGRADES;
use crate::upgrade::{Images, Upgrade};
use oi_events::{ClusterName, Component, JobKind, JobTarget, NodeName, UpgradeEvent};
use std::collections::BTreeSet;

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &UpgradeEvent) {
    match event {
        UpgradeEvent::UpgradeStarted(e) => {
            let safe = state.level() >= SAFE_UPGRADES;
            let images = if safe { Images::On(BTreeSet::new()) } else { Images::NotWanted };
            if let Some(c) = state.cluster_mut(&e.name) {
                let (from, to) = (e.from.clone(), e.to.clone());
                let served = !safe;
                c.upgrade = Some(Upgrade { from, to, paused: false, back: false, served, images });
            }
        }
        UpgradeEvent::UpgradeChanged(e) => {
            let upgrade = state.cluster_mut(&e.name).and_then(|c| c.upgrade.as_mut());
            if let Some(upgrade) = upgrade {
                (upgrade.paused, upgrade.back) = (e.paused, e.back);
            }
            if e.back {
                forget_images(state, &e.name);
            }
        }
        UpgradeEvent::ComponentVersionChanged(e) => {
            if let Some(n) = state.node_mut(&e.cluster, &e.node) {
                n.versions.set(e.component, e.version.clone());
                n.generation = e.generation;
                n.done.remove(&JobKind::EnsureControlPlane);
            }
            forget_node_failures(state, &e.cluster, &e.node);
        }
        UpgradeEvent::UpgradeEnded(e) => {
            if let Some(c) = state.cluster_mut(&e.name) {
                c.spec.kubernetes_version = e.version.clone();
                c.upgrade = None;
            }
            forget_images(state, &e.name);
        }
    }
}

/// Nobody looks for images any more.
fn forget_images(state: &mut State, cluster: &ClusterName) {
    let about = |target| match target {
        JobTarget::Node { cluster: c, step: JobKind::PullImages, .. } => c == *cluster,
        _ => false,
    };
    forget_failures(state, about);
}

/// The images of an upgrade are on the hypervisor of a node.
pub(crate) fn images_found(state: &mut State, cluster: &ClusterName, node: &NodeName) {
    let upgrade = state.cluster_mut(cluster).and_then(|c| c.upgrade.as_mut());
    if let Some(Images::On(found)) = upgrade.map(|u| &mut u.images) {
        found.insert(node.clone());
    }
}

/// The components of a node run. An API server among them may store objects from here on.
pub(crate) fn served(state: &mut State, cluster: &ClusterName, node: &NodeName) {
    let Some(c) = state.cluster_mut(cluster) else { return };
    let (Some(upgrade), Some(n)) = (&mut c.upgrade, c.nodes.get(node)) else { return };
    let has_one = n.components.contains(&Component::ApiServer);
    upgrade.served |= has_one && n.versions.api_server == upgrade.to;
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &UpgradeEvent) -> String {
    match event {
        UpgradeEvent::UpgradeStarted(e) => {
            format!("upgrade from {} to {} started", e.from, e.to)
        }
        UpgradeEvent::UpgradeChanged(e) => match (e.paused, e.back) {
            (true, _) => "upgrade paused",
            (false, true) => "upgrade rolls back",
            (false, false) => "upgrade goes on",
        }
        .to_owned(),
        UpgradeEvent::ComponentVersionChanged(e) => {
            let component = e.component.as_str();
            format!("{component} to run {}", e.version)
        }
        UpgradeEvent::UpgradeEnded(e) => format!("runs Kubernetes {}", e.version),
    }
}
