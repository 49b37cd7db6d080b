//! What events about hypervisors change.

use crate::hypervisor::{Hypervisor, Reach};
use crate::job::events::forget_failures;
use crate::state::State;
use oi_events::{ClusterUid, HypervisorEvent, HypervisorName, JobTarget, NodeName, StraysV1};
use std::sync::Arc;

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &HypervisorEvent) {
    match event {
        HypervisorEvent::HypervisorRegistered(e) => {
            let h = Hypervisor::registered(e.hypervisor.clone(), e.generation, state.time_ms);
            state.hypervisors.insert(e.hypervisor.name.clone(), Arc::new(h));
        }
        HypervisorEvent::HypervisorUpdated(e) => {
            let name = &e.hypervisor.name;
            let Some(h) = state.hypervisor_mut(name) else { return };
            h.spec = e.hypervisor.clone();
            if let Some(generation) = e.generation {
                h.generation = generation;
                h.prepared = false;
                forget_failures(state, |t| t.hypervisor() == Some(name));
            }
        }
        HypervisorEvent::PortsShared(e) => {
            if let Some(h) = state.hypervisor_mut(&e.name) {
                h.shared_ports = e.ports.iter().copied().collect();
            }
        }
        HypervisorEvent::HypervisorCordoned(e) => {
            if let Some(h) = state.hypervisor_mut(&e.name) {
                h.cordoned = e.cordoned;
            }
        }
        HypervisorEvent::HypervisorObserved(e) => {
            let time_ms = state.time_ms;
            if let Some(h) = state.hypervisor_mut(&e.name) {
                if h.is_away() == e.reachable {
                    h.since_ms = time_ms;
                }
                h.reach = if e.reachable {
                    Reach::Reachable(e.detail.clone())
                } else {
                    Reach::Unreachable(e.detail.clone())
                };
            }
        }
        HypervisorEvent::HypervisorUnregistered(e) => {
            state.hypervisors.remove(&e.name);
            forget_failures(state, |t| t.hypervisor() == Some(&e.name));
        }
        HypervisorEvent::OrphanRemoved(e) => {
            forget_orphan(state, &e.hypervisor, e.cluster_uid, &e.node);
        }
        HypervisorEvent::OrphansForgotten(e) => {
            if let Some(h) = state.hypervisor_mut(&e.name) {
                h.orphans.clear();
            }
            forget_failures(
                state,
                |t| matches!(&t, JobTarget::Orphan { hypervisor, .. } if *hypervisor == e.name),
            );
        }
        HypervisorEvent::OrphanForgotten(e) => {
            forget_orphan(state, &e.hypervisor, e.cluster_uid, &e.node);
        }
        HypervisorEvent::StraysSeen(e) => {
            if let Some(h) = state.hypervisor_mut(&e.name) {
                h.strays = e.strays.clone();
            }
        }
    }
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &HypervisorEvent) -> String {
    match event {
        HypervisorEvent::HypervisorRegistered(e) => {
            let h = &e.hypervisor;
            let kind = if h.public { "public" } else { "private" };
            format!("{kind} hypervisor registered at {}", h.cri_endpoint)
        }
        HypervisorEvent::HypervisorUpdated(e) => {
            let h = &e.hypervisor;
            let most = h.max_nodes.map(|most| format!(", at most {most} nodes"));
            format!(
                "is reached at {}, with address {} and ports {} to {}{}",
                h.cri_endpoint,
                h.address,
                h.port_low,
                h.port_high,
                most.unwrap_or_default()
            )
        }
        HypervisorEvent::HypervisorCordoned(e) if e.cordoned => "takes no new nodes".to_owned(),
        HypervisorEvent::PortsShared(e) => {
            let ports: Vec<String> = e.ports.iter().map(ToString::to_string).collect();
            match ports.as_slice() {
                [] => "shares no ports beside those of its range".to_owned(),
                ports => format!("clusters may share its ports {}", ports.join(", ")),
            }
        }
        HypervisorEvent::HypervisorCordoned(_) => "takes new nodes again".to_owned(),
        HypervisorEvent::HypervisorObserved(e) if e.reachable => {
            format!("answers: {}", e.detail)
        }
        HypervisorEvent::HypervisorObserved(e) => {
            format!("does not answer: {}", e.detail)
        }
        HypervisorEvent::HypervisorUnregistered(_) => "forgotten".to_owned(),
        HypervisorEvent::OrphanRemoved(e) => {
            format!("what was left of node {} is gone", e.node)
        }
        HypervisorEvent::OrphansForgotten(_) => "orphans forgotten".to_owned(),
        HypervisorEvent::OrphanForgotten(e) => {
            format!("what is left of node {} is forgotten: clear it by hand", e.node)
        }
        HypervisorEvent::StraysSeen(e) if e.strays == StraysV1::default() => {
            "nothing stands there that belongs to nobody".to_owned()
        }
        HypervisorEvent::StraysSeen(e) => {
            let StraysV1 { pods, directories, ports } = &e.strays;
            let ports = ports.iter().map(|port| format!("port {port}"));
            let all: Vec<String> = pods.iter().chain(directories).cloned().chain(ports).collect();
            format!("stands there and belongs to nobody: {}", all.join(", "))
        }
    }
}

fn forget_orphan(
    state: &mut State,
    hypervisor: &HypervisorName,
    cluster_uid: ClusterUid,
    node: &NodeName,
) {
    if let Some(h) = state.hypervisor_mut(hypervisor) {
        h.orphans.retain(|l| l.cluster_uid != cluster_uid || l.node != *node);
    }
}
