//! Decisions about hypervisors.

use crate::guards::next_generation;
use crate::hypervisor::check::{check, check_address, check_endpoint};
use crate::hypervisor::update::update;
use crate::hypervisor::{Hypervisor, Reach};
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{
    CordonHypervisorV1, Generation, HypervisorCordonedV1, Limit, SharePortsV1, StraysSeenV1,
    StraysV1,
};
use oi_events::{
    Event, ForgetOrphansV1, HypervisorCommand, HypervisorName, HypervisorObservedV1,
    HypervisorRegisteredV1, HypervisorUnregisteredV1, OrphansForgottenV1, PortsSharedV1,
    RegisterHypervisorV1, UnregisterHypervisorV1,
};
use std::collections::BTreeSet;

/// Decides a command.
pub(crate) fn decide(state: &State, command: &HypervisorCommand) -> Result<Vec<Event>, Rejection> {
    match command {
        HypervisorCommand::RegisterHypervisor(c) => register(state, c),
        HypervisorCommand::UpdateHypervisor(c) => update(state, &c.hypervisor),
        HypervisorCommand::CordonHypervisor(c) => cordon(state, c),
        HypervisorCommand::SharePorts(c) => share(state, c),
        HypervisorCommand::UnregisterHypervisor(c) => unregister(state, c),
        HypervisorCommand::ForgetOrphans(c) => forget_orphans(state, c),
    }
}

fn register(state: &State, c: &RegisterHypervisorV1) -> Result<Vec<Event>, Rejection> {
    if let Some(known) = state.hypervisors.get(&c.name) {
        if known.spec == *c {
            return Ok(Vec::new());
        }
        return Err(Rejection::HypervisorExists(c.name.clone()));
    }
    let invalid = |problem| Rejection::HypervisorInvalid { name: c.name.clone(), problem };
    check(c).map_err(invalid)?;
    check_address(state, c)?;
    check_endpoint(state, c)?;
    Ok(vec![
        HypervisorRegisteredV1 { hypervisor: c.clone(), generation: next_generation(state) }.into(),
    ])
}

fn cordon(state: &State, c: &CordonHypervisorV1) -> Result<Vec<Event>, Rejection> {
    let known = state
        .hypervisors
        .get(&c.name)
        .ok_or_else(|| Rejection::HypervisorUnknown(c.name.clone()))?;
    if known.cordoned == c.cordoned {
        return Ok(Vec::new());
    }
    Ok(vec![HypervisorCordonedV1 { name: c.name.clone(), cordoned: c.cordoned }.into()])
}

/// A port that a cluster has stays.
fn share(state: &State, c: &SharePortsV1) -> Result<Vec<Event>, Rejection> {
    let unknown = || Rejection::HypervisorUnknown(c.name.clone());
    let known = state.hypervisors.get(&c.name).ok_or_else(unknown)?;
    let ports: BTreeSet<u16> = c.ports.iter().copied().collect();
    let too_many = ports.len() > Limit::SharedPorts.bound();
    if ports.contains(&0) || too_many || ports.len() != c.ports.len() {
        let value = c.ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let problem = Limit::SharedPorts.problem().to_owned();
        return Err(Rejection::Invalid { field: "shared ports", value, problem });
    }
    if known.shared_ports == ports {
        return Ok(Vec::new());
    }
    let after = Hypervisor { shared_ports: ports.clone(), ..(**known).clone() };
    // Of those that sleep, too: they would wake up to nothing.
    let clusters = state.nodes_on(&c.name);
    let clusters = clusters
        .filter_map(|(name, _, n)| Some((name, state.clusters.get(name)?.shared_port_of(n)?)));
    let mut needed = clusters.filter(|(_, port)| !after.may_share(*port));
    if let Some((cluster, port)) = needed.next() {
        let (hypervisor, by) = (c.name.clone(), cluster.clone());
        return Err(Rejection::PortInUse { hypervisor, port, by });
    }
    let own =
        |port: &u16| state.nodes_on(&c.name).any(|(_, _, n)| n.ports.values().any(|p| p == port));
    if let Some(port) = ports.iter().find(|port| own(port)) {
        return Err(Rejection::PortTaken { hypervisor: c.name.clone(), port: *port });
    }
    let (name, ports) = (c.name.clone(), ports.into_iter().collect());
    Ok(vec![PortsSharedV1 { name, ports }.into()])
}

fn unregister(state: &State, c: &UnregisterHypervisorV1) -> Result<Vec<Event>, Rejection> {
    if !state.hypervisors.contains_key(&c.name) {
        return Err(Rejection::HypervisorUnknown(c.name.clone()));
    }
    if state.nodes_on(&c.name).next().is_some() {
        return Err(Rejection::HypervisorInUse(c.name.clone()));
    }
    let orphans = state.hypervisors.get(&c.name).map_or(0, |h| h.orphans.len());
    if orphans > 0 {
        return Err(Rejection::HypervisorHasOrphans { name: c.name.clone(), orphans });
    }
    Ok(vec![HypervisorUnregisteredV1 { name: c.name.clone() }.into()])
}

/// What is left there is nobody's any more.
fn forget_orphans(state: &State, c: &ForgetOrphansV1) -> Result<Vec<Event>, Rejection> {
    let known = state
        .hypervisors
        .get(&c.name)
        .ok_or_else(|| Rejection::HypervisorUnknown(c.name.clone()))?;
    if known.orphans.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![OrphansForgottenV1 { name: c.name.clone() }.into()])
}

/// Only what changes the picture becomes an event.
pub(crate) fn observed(
    state: &State,
    name: &HypervisorName,
    reach: Reach,
) -> Result<Vec<Event>, Rejection> {
    let known =
        state.hypervisors.get(name).ok_or_else(|| Rejection::HypervisorUnknown(name.clone()))?;
    if known.reach == reach {
        return Ok(Vec::new());
    }
    let (reachable, detail) = match reach {
        Reach::Reachable(runtime) => (true, runtime),
        Reach::Unreachable(reason) => (false, reason),
        Reach::Unknown => return Ok(Vec::new()),
    };
    Ok(vec![HypervisorObservedV1 { name: name.clone(), reachable, detail }.into()])
}

/// What stands there and belongs to nobody, where that is something else than is known.
pub(crate) fn strays_seen(
    state: &State,
    name: &HypervisorName,
    generation: Generation,
    strays: &StraysV1,
) -> Vec<Event> {
    let known = state.hypervisors.get(name);
    if known.is_none_or(|h| h.generation != generation || h.strays == *strays) {
        return Vec::new();
    }
    vec![StraysSeenV1 { name: name.clone(), strays: strays.clone() }.into()]
}
