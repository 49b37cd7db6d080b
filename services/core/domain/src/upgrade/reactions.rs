//! The next step of an upgrade: one component at a time, in the order that Kubernetes'
//! version skew policy asks for.

use crate::cluster::Cluster;
use oi_events::{
    ClusterName, Component, ComponentVersionChangedV1, Event, Generation, UpgradeEndedV1,
};

/// No component may be newer than the API servers: they go first, and back last.
pub(super) const ORDER: [Component; 3] =
    [Component::ApiServer, Component::ControllerManager, Component::Scheduler];

/// The next component, once all that runs is ready; the end, when there is none.
pub(crate) fn step(cluster: &Cluster, name: &ClusterName, generation: Generation) -> Option<Event> {
    let upgrade = cluster.upgrade.as_ref()?;
    if upgrade.paused || !cluster.is_settled() {
        return None;
    }
    if cluster.nodes.keys().any(|node| cluster.owes_images(node)) {
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
