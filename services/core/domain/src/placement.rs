//! Where a node goes, and which host ports it gets. Deterministic: the same
//! state gives the same place.

use crate::cluster::Cluster;
use crate::hypervisor::check::ADDRESSES;
use crate::hypervisor::{Hypervisor, Reach};
use crate::node::Node;
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{ClusterName, HypervisorName, PortUse, PortV1, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

fn ports_needed(cluster: Option<&Cluster>, role: Role) -> &'static [PortUse] {
    let tunnel = cluster.is_some_and(|c| c.tunnel.is_some());
    match role {
        Role::ControlPlaneIngress if tunnel => &[PortUse::ApiServer, PortUse::Wireguard],
        Role::ControlPlane => &[PortUse::ApiServer, PortUse::EtcdClient, PortUse::EtcdPeer],
        Role::ControlPlaneIngress | Role::ApiServer => &[PortUse::ApiServer],
    }
}

/// What a hypervisor carries already.
#[derive(Default)]
struct Load {
    nodes: usize,
    /// Of the cluster, doing what is to be placed.
    same: usize,
    ports: BTreeSet<u16>,
    /// Ports that clusters share, with those that take clients that ask for no name.
    shared: BTreeMap<u16, BTreeSet<ClusterName>>,
}

impl Load {
    fn share(&mut self, name: &ClusterName, cluster: &Cluster, node: &Node) {
        let Some(port) = cluster.shared_port_of(node) else { return };
        let defaults = self.shared.entry(port).or_default();
        if cluster.is_default_there() {
            defaults.insert(name.clone());
        }
    }

    /// Whether a cluster can have its ingress here, where it has a port to share.
    fn takes(
        &self,
        h: &Hypervisor,
        name: &ClusterName,
        cluster: &Cluster,
    ) -> Result<(), PortProblem> {
        let Some(port) = cluster.shared_port() else { return Ok(()) };
        if !h.may_share(port) {
            return Err(PortProblem::NotShared);
        }
        if self.ports.contains(&port) {
            return Err(PortProblem::Taken);
        }
        let mut others = self.shared.get(&port).into_iter().flatten();
        if cluster.is_default_there() && others.any(|other| other != name) {
            return Err(PortProblem::Default);
        }
        Ok(())
    }
}

/// Why a port cannot be shared.
enum PortProblem {
    /// Nobody said that it may be.
    NotShared,
    /// A node has it for itself.
    Taken,
    /// Another cluster has the clients that ask for no name.
    Default,
}

/// Whether a node of one role does what one of another would: API servers spread away
/// from each other, members only from members.
fn does(one: Role, other: Role) -> bool {
    one == other || (one, other) == (Role::ControlPlane, Role::ApiServer)
}

/// The loads of all hypervisors, in one pass over all nodes.
fn loads<'a>(
    state: &'a State,
    cluster: &ClusterName,
    role: Role,
) -> BTreeMap<&'a HypervisorName, Load> {
    let mut loads: BTreeMap<&HypervisorName, Load> = BTreeMap::new();
    for (name, h) in &state.hypervisors {
        let left = h.orphans.iter().flat_map(|l| l.ports.values().copied());
        loads.entry(name).or_default().ports.extend(left);
    }
    for (name, c) in &state.clusters {
        for node in c.nodes.values() {
            let load = loads.entry(&node.hypervisor).or_default();
            load.nodes += 1;
            load.same += usize::from(name == cluster && does(node.role, role));
            load.ports.extend(node.ports.values());
            load.share(name, c, node);
        }
    }
    if state.level() >= ADDRESSES {
        same_address(state, &mut loads);
    }
    loads
}

/// A host port is its address's: what one hypervisor has of it, no other one at that address can
/// have.
fn same_address<'a>(state: &'a State, loads: &mut BTreeMap<&'a HypervisorName, Load>) {
    let mut at: BTreeMap<IpAddr, Vec<&HypervisorName>> = BTreeMap::new();
    for (name, h) in &state.hypervisors {
        at.entry(h.spec.address).or_default().push(name);
    }
    for names in at.into_values().filter(|names| names.len() > 1) {
        let own: Vec<BTreeSet<u16>> = names
            .iter()
            .filter_map(|name| loads.get(name))
            .map(|load| load.ports.iter().chain(load.shared.keys()).copied().collect())
            .collect();
        for (n, name) in names.iter().enumerate() {
            let others = own.iter().enumerate().filter(|(other, _)| *other != n);
            let others: BTreeSet<u16> = others.flat_map(|(_, ports)| ports).copied().collect();
            if let Some(load) = loads.get_mut(name) {
                load.ports.extend(others);
            }
        }
    }
}

/// The lowest free ports but for `except`; ports of removed nodes are used again, and those on
/// which something else listens are not.
fn free_ports(load: &Load, h: &Hypervisor, count: usize, except: Option<u16>) -> Vec<u16> {
    let shared = |p: u16| load.shared.contains_key(&p) || h.shared_ports.contains(&p);
    let taken = |p: u16| load.ports.contains(&p) || shared(p) || h.strays.ports.contains(&p);
    let free = |p: &u16| !taken(*p) && Some(*p) != except;
    (h.spec.port_low..=h.spec.port_high).filter(free).take(count).collect()
}

/// Whether the machines with a cluster's ingresses can listen on the port of its endpoint.
///
/// # Errors
/// Where one cannot.
pub(crate) fn can_share(
    state: &State,
    name: &ClusterName,
    cluster: &Cluster,
    hypervisor: &HypervisorName,
) -> Result<(), Rejection> {
    let loads = loads(state, name, Role::ControlPlaneIngress);
    let h = state.hypervisors.get(hypervisor);
    let (Some(load), Some(h)) = (loads.get(hypervisor), h) else { return Ok(()) };
    let (port, hypervisor) = (cluster.shared_port().unwrap_or_default(), hypervisor.clone());
    load.takes(h, name, cluster).map_err(|problem| match problem {
        PortProblem::NotShared => Rejection::PortNotShared { hypervisor, port },
        PortProblem::Taken => Rejection::PortTaken { hypervisor, port },
        PortProblem::Default => Rejection::PortShared { hypervisor, port },
    })
}

/// A port for something more on a hypervisor that carries a node of `cluster`.
///
/// # Errors
/// Where none is free.
pub(crate) fn free_port(
    state: &State,
    cluster: &ClusterName,
    hypervisor: &HypervisorName,
    also_taken: &BTreeSet<u16>,
) -> Result<u16, Rejection> {
    let h = state.hypervisors.get(hypervisor);
    let h = h.ok_or_else(|| Rejection::HypervisorUnknown(hypervisor.clone()))?;
    let exhausted =
        || Rejection::PortsExhausted { hypervisor: hypervisor.clone(), free: 0, needed: 1 };
    let mut loads = loads(state, cluster, Role::ControlPlaneIngress);
    let mut load = loads.remove(hypervisor).unwrap_or_default();
    load.ports.extend(also_taken);
    free_ports(&load, h, 1, None).first().copied().ok_or_else(exhausted)
}

/// Chooses a hypervisor and its ports for a new node of `cluster`.
///
/// Control planes go to private hypervisors, ingresses to public ones; never to
/// cordoned or unreachable ones. Among those with room: first the one with the
/// fewest nodes of the same cluster and role, then the fewest nodes, then by name.
///
/// # Errors
/// Says why none can take it.
pub fn place(
    state: &State,
    cluster: &ClusterName,
    role: Role,
    wanted: Option<&HypervisorName>,
) -> Result<(HypervisorName, Vec<PortV1>), Rejection> {
    place_except(state, cluster, role, wanted, &[])
}

/// The same, anywhere but on some hypervisors.
pub(crate) fn place_except(
    state: &State,
    cluster: &ClusterName,
    role: Role,
    wanted: Option<&HypervisorName>,
    except: &[&HypervisorName],
) -> Result<(HypervisorName, Vec<PortV1>), Rejection> {
    if let Some(name) = wanted
        && !state.hypervisors.contains_key(name)
    {
        return Err(Rejection::HypervisorUnknown(name.clone()));
    }
    let public = role == Role::ControlPlaneIngress;
    let kind = if public { "public" } else { "private" };
    let refuse = |reason: String| Rejection::NoHypervisor { kind, role: role.as_str(), reason };
    let of_kind: Vec<_> = state
        .hypervisors
        .iter()
        .filter(|(name, h)| h.spec.public == public && wanted.is_none_or(|w| w == *name))
        .filter(|(name, _)| !except.contains(name))
        .collect();
    if of_kind.is_empty() {
        return Err(refuse(match wanted {
            Some(name) => format!("{name} is not {kind}"),
            None => "none is registered".to_owned(),
        }));
    }
    let usable: Vec<_> = of_kind
        .into_iter()
        .filter(|(_, h)| !h.cordoned && !matches!(h.reach, Reach::Unreachable(_)))
        .collect();
    if usable.is_empty() {
        return Err(refuse("all are cordoned or unreachable".to_owned()));
    }
    let loads = loads(state, cluster, role);
    let with_room: Vec<_> = usable
        .into_iter()
        .filter_map(|(name, h)| Some((name, h, loads.get(name)?)))
        .filter(|(_, h, load)| h.spec.max_nodes.is_none_or(|max| load.nodes < max as usize))
        .collect();
    if with_room.is_empty() {
        return Err(refuse("all carry as many nodes as they may".to_owned()));
    }
    let known = state.clusters.get(cluster).map(|c| &**c);
    let with_room: Vec<_> = with_room
        .into_iter()
        .filter(|(_, h, load)| !public || known.is_none_or(|c| load.takes(h, cluster, c).is_ok()))
        .collect();
    if with_room.is_empty() {
        let port = known.and_then(Cluster::shared_port).unwrap_or_default();
        return Err(refuse(format!(
            "port {port} of the cluster's endpoint is taken, or not shared (`oi hypervisor share`), where one could go"
        )));
    }
    let needed = ports_needed(known, role);
    // To be shared from now on, if it was not before.
    let own_shared = known.and_then(Cluster::shared_port).filter(|_| public);
    let mut best: Option<((usize, usize), &HypervisorName, Vec<u16>)> = None;
    let mut most_free = (0, with_room[0].0);
    for (name, h, load) in with_room {
        let ports = free_ports(load, h, needed.len(), own_shared);
        if ports.len() < needed.len() {
            most_free = most_free.max((ports.len(), name));
            continue;
        }
        let rank = (load.same, load.nodes);
        if best.as_ref().is_none_or(|(other, ..)| rank < *other) {
            best = Some((rank, name, ports));
        }
    }
    let Some((_, name, ports)) = best else {
        return Err(Rejection::PortsExhausted {
            hypervisor: most_free.1.clone(),
            free: most_free.0,
            needed: needed.len(),
        });
    };
    let ports =
        needed.iter().zip(ports).map(|(&port_use, port)| PortV1 { port_use, port }).collect();
    Ok((name.clone(), ports))
}
