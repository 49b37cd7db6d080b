//! Decisions about nodes.

use super::{certificates, replace, scale};
use crate::backup::restore::{STAGED, first};
use crate::cluster::{Cluster, ClusterPhase};
use crate::decide::Context;
use crate::guards::{known, next_generation, running, settled, staying};
use crate::hypervisor::Orphan;
use crate::node::Node;
use crate::node::certificates::{control_plane_credentials, named, names};
use crate::placement::{place, place_except};
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{
    AddNodeV1, ClusterName, Event, Generation, HypervisorName, Limit, NodeAddedV1, NodeChangedV1,
    NodeCommand, NodeName, NodeRemovalStartedV1, PortV1, RemoveNodeV1, Role,
};

/// Decides a command.
pub(crate) fn decide(
    state: &State,
    command: &NodeCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match command {
        NodeCommand::AddNode(c) => add(state, c, context),
        NodeCommand::RemoveNode(c) => remove(state, c),
        NodeCommand::ReplaceNode(c) => replace::replace(state, c, context),
        NodeCommand::ScaleCluster(c) => scale::scale(state, c, context),
        NodeCommand::RenewCertificates(c) => certificates::renew(state, c, context),
    }
}

fn add(state: &State, c: &AddNodeV1, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let cluster = running(state, &c.cluster)?;
    if cluster.nodes.contains_key(&c.name) {
        return Err(Rejection::NodeExists { cluster: c.cluster.clone(), node: c.name.clone() });
    }
    // The membership to which an abort returns has no place for a new member. Where no member
    // answers, it takes one to restore again.
    let restores = cluster.restore.is_some() && !cluster.is_of_backup();
    let is_member = c.role == Role::ControlPlane && first(state, cluster).is_some();
    if state.level() >= STAGED && restores && is_member {
        return Err(Rejection::RestoreRunning(c.cluster.clone()));
    }
    let (hypervisor, ports) = place_apart(state, cluster, c)?;
    let placing = Placing { name: c.name.clone(), role: c.role, hypervisor, ports };
    place_node(state, &c.cluster, placing, context)
}

/// The level from which on a node does not come where an earlier one of its name left something.
const APART: u16 = 4;

/// The hypervisors on which something is left of an earlier node of that name.
fn left_on<'a>(state: &'a State, cluster: &Cluster, name: &NodeName) -> Vec<&'a HypervisorName> {
    if state.level() < APART {
        return Vec::new();
    }
    let is_its = |left: &Orphan| left.cluster_uid == cluster.uid && left.node == *name;
    let all = state.hypervisors.iter().filter(|(_, h)| h.orphans.iter().any(is_its));
    all.map(|(hypervisor, _)| hypervisor).collect()
}

/// A place where nothing is left of an earlier node of that name: its directory would become this
/// one's data.
fn place_apart(
    state: &State,
    cluster: &Cluster,
    c: &AddNodeV1,
) -> Result<(HypervisorName, Vec<PortV1>), Rejection> {
    let wanted = c.hypervisor.as_ref();
    let found = place(state, &c.cluster, c.role, wanted)?;
    let left = left_on(state, cluster, &c.name);
    if !left.contains(&&found.0) {
        return Ok(found);
    }
    let (cluster, node, hypervisor) = (c.cluster.clone(), c.name.clone(), found.0);
    let refuse = |_| Rejection::NodeLeft { cluster, node, hypervisor };
    place_except(state, &c.cluster, c.role, wanted, &left).map_err(refuse)
}

/// The first of these names that no node of the cluster has, and of which nothing is left on a
/// hypervisor; none where all are taken.
///
/// # Errors
/// Where one cannot be a node's.
pub(crate) fn free_name(
    state: &State,
    cluster: &Cluster,
    mut names: impl Iterator<Item = String>,
) -> Result<Option<NodeName>, Rejection> {
    let taken = |name: &NodeName| {
        cluster.nodes.contains_key(name) || !left_on(state, cluster, name).is_empty()
    };
    let free = |value: String| match value.parse::<NodeName>() {
        Ok(name) if taken(&name) => None,
        Ok(name) => Some(Ok(name)),
        Err(error) => {
            let problem = error.to_string();
            Some(Err(Rejection::Invalid { field: "node name", value, problem }))
        }
    };
    names.find_map(free).transpose()
}

/// A node with its place.
pub(crate) struct Placing {
    pub name: NodeName,
    pub role: Role,
    pub hypervisor: HypervisorName,
    pub ports: Vec<PortV1>,
}

/// A node comes, and the others of its cluster learn of it.
pub(crate) fn place_node(
    state: &State,
    cluster_name: &ClusterName,
    placing: Placing,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cluster = known(state, cluster_name)?;
    if cluster.nodes.len() >= Limit::Nodes.bound() {
        let (field, value) = ("number of nodes", (cluster.nodes.len() + 1).to_string());
        let problem = Limit::Nodes.problem().to_owned();
        return Err(Rejection::Limit { field, value, problem });
    }
    let Placing { name, role, hypervisor, ports } = placing;
    let address = state.hypervisors[&hypervisor].spec.address;
    let generation = next_generation(state);
    let credentials = match role {
        Role::ControlPlane | Role::ApiServer => {
            let of_member = role == Role::ControlPlane;
            control_plane_credentials(state, &name, cluster, address, of_member, context)?
        }
        Role::ControlPlaneIngress => Vec::new(),
    };
    let mut events: Vec<Event> = vec![
        NodeAddedV1 {
            cluster: cluster_name.clone(),
            name,
            role,
            hypervisor,
            generation,
            ports,
            credentials,
        }
        .into(),
    ];
    match role {
        Role::ControlPlane | Role::ApiServer => {
            events.extend(ingresses_changed(cluster, cluster_name, generation));
        }
        Role::ControlPlaneIngress => {
            let unnamed = |n: &Node| !names(state, n, address);
            events.extend(named(state, cluster_name, cluster, unnamed, context)?);
        }
    }
    Ok(events)
}

/// Ingresses must learn of backends that come and go.
pub(crate) fn ingresses_changed(
    cluster: &Cluster,
    name: &ClusterName,
    generation: Generation,
) -> Vec<Event> {
    changed(cluster, name, generation, Role::ControlPlaneIngress)
}

/// API servers without a member of their own must learn of members that come and go.
pub(crate) fn members_changed(
    cluster: &Cluster,
    name: &ClusterName,
    generation: Generation,
) -> Vec<Event> {
    changed(cluster, name, generation, Role::ApiServer)
}

fn changed(
    cluster: &Cluster,
    name: &ClusterName,
    generation: Generation,
    role: Role,
) -> Vec<Event> {
    let nodes = cluster.nodes.iter().filter(|(_, n)| n.role == role && !n.removing);
    nodes
        .map(|(node, _)| {
            NodeChangedV1 { cluster: name.clone(), node: node.clone(), generation }.into()
        })
        .collect()
}

fn remove(state: &State, c: &RemoveNodeV1) -> Result<Vec<Event>, Rejection> {
    let cluster = staying(state, &c.cluster)?;
    let node = cluster.nodes.get(&c.name).ok_or_else(|| Rejection::NodeUnknown {
        cluster: c.cluster.clone(),
        node: c.name.clone(),
    })?;
    if node.removing {
        return Ok(Vec::new());
    }
    settled(state, &c.cluster)?;
    removal(cluster, &c.cluster, &c.name, next_generation(state))
}

/// A node goes, and the others of its cluster learn of it.
pub(crate) fn removal(
    cluster: &Cluster,
    cluster_name: &ClusterName,
    name: &NodeName,
    generation: Generation,
) -> Result<Vec<Event>, Rejection> {
    let (c, node) = (cluster_name.clone(), name.clone());
    let mut events: Vec<Event> =
        vec![NodeRemovalStartedV1 { cluster: c, name: node, generation }.into()];
    let Some(node) = cluster.nodes.get(name) else { return Ok(events) };
    if node.role == Role::ControlPlane {
        check_membership(cluster, cluster_name, name)?;
        events.extend(members_changed(cluster, cluster_name, generation));
    }
    check_components(cluster, cluster_name, name, node)?;
    let ingresses = cluster.ingresses();
    let is_last =
        node.role == Role::ControlPlaneIngress && ingresses.iter().all(|(other, _)| *other == name);
    if is_last && cluster.phase == ClusterPhase::Ready {
        return Err(Rejection::LastIngress { cluster: cluster_name.clone(), node: name.clone() });
    }
    if node.role != Role::ControlPlaneIngress {
        events.extend(ingresses_changed(cluster, cluster_name, generation));
    }
    Ok(events)
}

/// Another node must run what this one does.
fn check_components(
    cluster: &Cluster,
    cluster_name: &ClusterName,
    name: &NodeName,
    node: &Node,
) -> Result<(), Rejection> {
    for component in &node.components {
        if cluster.carriers(*component).iter().all(|(other, _)| *other == name) {
            return Err(Rejection::LastComponent {
                cluster: cluster_name.clone(),
                node: name.clone(),
                component: component.as_str(),
            });
        }
    }
    Ok(())
}

/// The rest must be members already, and no other member may be on its way out.
fn check_membership(
    cluster: &Cluster,
    name: &ClusterName,
    node: &NodeName,
) -> Result<(), Rejection> {
    let others: Vec<_> =
        cluster.control_planes().into_iter().filter(|(other, _)| *other != node).collect();
    if others.is_empty() {
        return Err(Rejection::LastControlPlane { cluster: name.clone(), node: node.clone() });
    }
    let busy = |what| Rejection::MembershipBusy { cluster: name.clone(), what };
    if others.iter().any(|(_, n)| !n.joined) {
        return Err(busy("joining"));
    }
    if cluster.nodes.values().any(|n| n.role == Role::ControlPlane && n.removing) {
        return Err(busy("leaving"));
    }
    Ok(())
}
