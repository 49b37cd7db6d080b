//! The next API server that learns of the issuers.

use crate::node::Node;
use crate::state::State;
use oi_events::{AuthenticationRolledOutV1, ClusterName, Component, Event, Generation};

/// The next API server that was not told of it, once all that can be reached are ready: if one
/// does not come back, the others go on as they are. It starts anew with it, for one that reads
/// it again goes on with what it had for as long as it cannot reach an issuer that is new.
pub(crate) fn step(state: &State, name: &ClusterName, generation: Generation) -> Option<Event> {
    let cluster = state.clusters.get(name)?;
    let away = |n: &Node| state.hypervisors.get(&n.hypervisor).is_none_or(|h| h.is_away());
    let servers = cluster.carriers(Component::ApiServer);
    if cluster.restore.is_some() || servers.iter().any(|(_, n)| !n.is_ready() && !away(n)) {
        return None;
    }
    let (node, _) = cluster.pending_rollout().find(|(_, n)| !away(n))?;
    let (cluster, node) = (name.clone(), node.clone());
    Some(AuthenticationRolledOutV1 { cluster, node, generation }.into())
}
