//! Decisions about how many of a component run; etcd's members are not touched.

use crate::cluster::{Cluster, ClusterPhase};
use crate::decide::Context;
use crate::fold::evolve;
use crate::guards::{known, next_generation, settled};
use crate::node::commands::{Placing, free_name, ingresses_changed, place_node, removal};
use crate::placement::place;
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{
    ClusterName, Component, ComponentsChangedV1, Event, Limit, NodeEvent, NodeName, Role,
    ScaleClusterV1,
};
use std::collections::BTreeSet;

/// What each node is to run, members first; those without a place yet come last.
type Layout = Vec<(Option<NodeName>, BTreeSet<Component>)>;

pub(crate) fn scale(
    state: &State,
    c: &ScaleClusterV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cluster = settled(state, &c.name)?;
    let current = current(cluster);
    let layout = layout(&current, c)?;
    if cluster.phase != ClusterPhase::Ready {
        return Err(Rejection::ClusterBusy(c.name.clone()));
    }
    if layout == current {
        return Ok(Vec::new());
    }
    if let Some(upgrade) = &cluster.upgrade {
        let to = upgrade.target().clone();
        return Err(Rejection::UpgradeRunning { cluster: c.name.clone(), to });
    }
    let mut after = state.clone();
    let mut events = Vec::new();
    for (name, components) in layout {
        let more = match name {
            None => added(&after, &c.name, components, context)?,
            Some(name) => {
                let before = cluster.nodes.get(&name).map(|n| (n.role, &n.components));
                match before {
                    Some((_, same)) if *same == components => continue,
                    Some((Role::ApiServer, _)) if components.is_empty() => without_ingresses(
                        removal(&after.clusters[&c.name], &c.name, &name, next_generation(state))?,
                    ),
                    _ => vec![changed(&c.name, name, components, state)],
                }
            }
        };
        more.iter().for_each(|event| evolve(&mut after, event));
        events.extend(more);
    }
    // Once for all, where API servers came or went.
    let api_servers = |c: &Cluster| -> Vec<NodeName> {
        c.carriers(Component::ApiServer).into_iter().map(|(name, _)| name.clone()).collect()
    };
    if after.clusters.get(&c.name).is_some_and(|a| api_servers(a) != api_servers(cluster)) {
        events.extend(ingresses_changed(cluster, &c.name, next_generation(state)));
    }
    Ok(events)
}

fn current(cluster: &Cluster) -> Layout {
    let nodes = cluster.staying(|n| n.role != Role::ControlPlaneIngress);
    nodes.into_iter().map(|(name, n)| (Some(name.clone()), n.components.clone())).collect()
}

fn count(layout: &Layout, component: Component) -> usize {
    layout.iter().filter(|(_, set)| set.contains(&component)).count()
}

fn layout(current: &Layout, c: &ScaleClusterV1) -> Result<Layout, Rejection> {
    let mut layout = current.clone();
    let usable = |field, wanted: u32, most: usize, problem: &str| {
        let n = wanted as usize;
        if wanted >= 1 && n <= most {
            return Ok(n);
        }
        let problem = problem.to_owned();
        Err(Rejection::Invalid { field, value: wanted.to_string(), problem })
    };
    let servers = match c.api_servers {
        None => count(current, Component::ApiServer),
        Some(n) => {
            let most = Limit::ApiServers;
            usable("apiservers", n, most.bound(), most.problem())?
        }
    };
    grow(&mut layout, Component::ApiServer, servers, |_| true);
    while count(&layout, Component::ApiServer) < servers {
        layout.push((None, BTreeSet::from([Component::ApiServer])));
    }
    shrink(&mut layout, Component::ApiServer, servers);
    // The others reach the API through the API server beside them.
    for (_, set) in layout.iter_mut().filter(|(_, set)| !set.contains(&Component::ApiServer)) {
        set.clear();
    }
    for (field, component, wanted) in [
        ("controller-managers", Component::ControllerManager, c.controller_managers),
        ("schedulers", Component::Scheduler, c.schedulers),
    ] {
        let problem =
            "it must be at least 1 and at most the number of API servers, for each runs beside one";
        let wanted = match wanted {
            None => count(current, component).max(1).min(servers),
            Some(n) => usable(field, n, servers, problem)?,
        };
        grow(&mut layout, component, wanted, |set| set.contains(&Component::ApiServer));
        shrink(&mut layout, component, wanted);
    }
    Ok(layout)
}

/// Gives the component to nodes that lack it, the first ones first.
fn grow(
    layout: &mut Layout,
    component: Component,
    wanted: usize,
    can: impl Fn(&BTreeSet<Component>) -> bool,
) {
    let mut missing = wanted.saturating_sub(count(layout, component));
    for (_, set) in layout.iter_mut().filter(|(_, set)| can(set)) {
        if missing > 0 && set.insert(component) {
            missing -= 1;
        }
    }
}

/// Takes the component from nodes that have it, the last ones first.
fn shrink(layout: &mut Layout, component: Component, wanted: usize) {
    let mut over = count(layout, component).saturating_sub(wanted);
    for (_, set) in layout.iter_mut().rev() {
        if over > 0 && set.remove(&component) {
            over -= 1;
        }
    }
}

/// A node for an API server without a member of its own.
fn added(
    state: &State,
    cluster: &ClusterName,
    components: BTreeSet<Component>,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let role = Role::ApiServer;
    let (hypervisor, ports) = place(state, cluster, role, None)?;
    let names = (1..=u32::MAX).map(|n| format!("api-{n}"));
    let name = free_name(state, known(state, cluster)?, names)?
        .ok_or_else(|| Rejection::ClusterUnknown(cluster.clone()))?;
    let placing = Placing { name, role, hypervisor, ports };
    let name = placing.name.clone();
    let mut events = without_ingresses(place_node(state, cluster, placing, context)?);
    if components.len() > 1 {
        events.push(changed(cluster, name, components, state));
    }
    Ok(events)
}

/// Ingresses are told once, of all that changes.
fn without_ingresses(events: Vec<Event>) -> Vec<Event> {
    events.into_iter().filter(|e| !matches!(e, Event::Node(NodeEvent::NodeChanged(_)))).collect()
}

fn changed(
    cluster: &ClusterName,
    node: NodeName,
    components: BTreeSet<Component>,
    state: &State,
) -> Event {
    let (cluster, generation) = (cluster.clone(), next_generation(state));
    let components = components.into_iter().collect();
    ComponentsChangedV1 { cluster, node, components, generation }.into()
}
