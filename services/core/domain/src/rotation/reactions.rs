//! The next node of a rotation.

use crate::cluster::Cluster;
use oi_events::{ClusterName, Event, Generation, NodeChangedV1, RotationEndedV1, RotationStage};

/// The next node, once all that runs is ready; the end, when there is none. Certificates
/// are made anew by the command that renews them.
pub(crate) fn step(cluster: &Cluster, name: &ClusterName, generation: Generation) -> Option<Event> {
    let rotation = cluster.rotation.as_ref()?;
    if !cluster.is_settled() || rotation.stage == RotationStage::Switch {
        return None;
    }
    let cluster_name = name.clone();
    if let Some((node, _)) = cluster.staying(|n| rotation.is_behind(n)).first() {
        let node = (*node).clone();
        return Some(NodeChangedV1 { cluster: cluster_name, node, generation }.into());
    }
    let ended = rotation.stage == RotationStage::Retire;
    ended.then(|| RotationEndedV1 { cluster: cluster_name }.into())
}
