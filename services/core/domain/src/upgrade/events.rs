//! What events about upgrades change.

use crate::job::events::forget_node_failures;
use crate::state::State;
use crate::upgrade::Upgrade;
use oi_events::{JobKind, UpgradeEvent};

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &UpgradeEvent) {
    match event {
        UpgradeEvent::UpgradeStarted(e) => {
            if let Some(c) = state.cluster_mut(&e.name) {
                let (from, to) = (e.from.clone(), e.to.clone());
                c.upgrade = Some(Upgrade { from, to, paused: false, back: false });
            }
        }
        UpgradeEvent::UpgradeChanged(e) => {
            let upgrade = state.cluster_mut(&e.name).and_then(|c| c.upgrade.as_mut());
            if let Some(upgrade) = upgrade {
                (upgrade.paused, upgrade.back) = (e.paused, e.back);
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
        }
    }
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
