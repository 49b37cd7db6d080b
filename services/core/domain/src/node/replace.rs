//! Decisions about nodes that another takes the place of.

use crate::cluster::Cluster;
use crate::decide::Context;
use crate::guards::{next_generation, settled};
use crate::node::commands::{Placing, free_name, place_node};
use crate::node::default_components;
use crate::placement::{place, place_except};
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{
    ClusterName, Component, ComponentsChangedV1, Event, HypervisorName, NodeName,
    NodeReplacementStartedV1, PortV1, ReplaceNodeV1, Role,
};

/// A new node comes; the old one goes once it is ready.
pub(crate) fn replace(
    state: &State,
    c: &ReplaceNodeV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let Some(found) = replacement(state, &c.cluster, &c.name)? else { return Ok(Vec::new()) };
    let by = found.name.clone();
    let mut events = place_node(state, &c.cluster, found, context)?;
    let (cluster, node) = (c.cluster.clone(), c.name.clone());
    events.extend(same_components(state, c, &by));
    events.push(NodeReplacementStartedV1 { cluster, node, by }.into());
    Ok(events)
}

/// The new node runs what the old one did.
fn same_components(state: &State, c: &ReplaceNodeV1, by: &NodeName) -> Option<Event> {
    let old = state.clusters.get(&c.cluster)?.nodes.get(&c.name)?;
    let components: Vec<Component> = old.components.iter().copied().collect();
    let default = components == default_components(old.role);
    let (cluster, node, generation) = (c.cluster.clone(), by.clone(), next_generation(state));
    (!default).then(|| ComponentsChangedV1 { cluster, node, components, generation }.into())
}

/// Whether the replacement of a node can begin now.
pub(crate) fn can_replace(state: &State, cluster: &ClusterName, node: &NodeName) -> bool {
    matches!(replacement(state, cluster, node), Ok(Some(_)))
}

/// What takes the node's place; none where that is decided already.
fn replacement(
    state: &State,
    name: &ClusterName,
    old: &NodeName,
) -> Result<Option<Placing>, Rejection> {
    let cluster = settled(state, name)?;
    let node = cluster
        .nodes
        .get(old)
        .ok_or_else(|| Rejection::NodeUnknown { cluster: name.clone(), node: old.clone() })?;
    let replaced = |n| cluster.replaced_by(n, state.level()).map(|(name, _)| name);
    if node.removing || cluster.nodes.values().any(|n| replaced(n) == Some(old)) {
        return Ok(None);
    }
    if node.role == Role::ControlPlane {
        check_members(state, cluster, name, old)?;
    }
    let (hypervisor, ports) = elsewhere(state, name, node.role, &node.hypervisor)?;
    let taken = || Rejection::NodeExists { cluster: name.clone(), node: old.clone() };
    let new = free_name(state, cluster, next_names(old))?.ok_or_else(taken)?;
    Ok(Some(Placing { name: new, role: node.role, hypervisor, ports }))
}

/// Anywhere but where it is, where that can be.
fn elsewhere(
    state: &State,
    cluster: &ClusterName,
    role: Role,
    here: &HypervisorName,
) -> Result<(HypervisorName, Vec<PortV1>), Rejection> {
    place_except(state, cluster, role, None, &[here]).or_else(|_| place(state, cluster, role, None))
}

/// No membership change is on its way, and a majority answers.
fn check_members(
    state: &State,
    cluster: &Cluster,
    name: &ClusterName,
    old: &NodeName,
) -> Result<(), Rejection> {
    let members = cluster.control_planes();
    let busy = |what| Rejection::MembershipBusy { cluster: name.clone(), what };
    if members.iter().any(|(_, n)| !n.joined) {
        return Err(busy("joining"));
    }
    if cluster.nodes.values().any(|n| n.role == Role::ControlPlane && n.removing) {
        return Err(busy("leaving"));
    }
    let away = |h: &HypervisorName| state.hypervisors.get(h).is_none_or(|h| h.is_away());
    let answer = members.iter().filter(|(_, n)| !n.broken && !away(&n.hypervisor)).count();
    if answer * 2 <= members.len() {
        return Err(Rejection::QuorumLost {
            cluster: name.clone(),
            node: old.clone(),
            answer,
            members: members.len(),
        });
    }
    Ok(())
}

/// `cp-1` is followed by `cp-1-r2`, that by `cp-1-r3`.
fn next_names(old: &NodeName) -> impl Iterator<Item = String> {
    let (base, number) = match old.as_str().rsplit_once("-r") {
        Some((base, digits)) => match digits.parse::<u32>() {
            Ok(number) => (base, number),
            Err(_) => (old.as_str(), 1),
        },
        None => (old.as_str(), 1),
    };
    // Names have at most 40 characters.
    let base = base[..base.len().min(28)].trim_end_matches('-');
    (number.saturating_add(1)..=u32::MAX).map(move |n| format!("{base}-r{n}"))
}
