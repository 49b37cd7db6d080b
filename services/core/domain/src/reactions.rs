//! What follows at once from a decision, and is part of it: a cluster that is ready, a
//! node whose replacement is ready, the next component of an upgrade, the next node of a
//! rotation, the next API server that learns of new issuers.

use crate::backup::RestoreStage;
use crate::cluster::{Cluster, ClusterPhase};
use crate::fold::evolve;
use crate::guards::next_generation;
use crate::jobs::Scope;
use crate::node::Node;
use crate::node::commands::removal;
use crate::state::State;
use crate::{authentication, backup, rotation, tunnel, upgrade};
use oi_events::{
    ClusterBecameReadyV1, ClusterEvent, ClusterName, Event, Generation, HypervisorEvent, JobEvent,
    NodeEvent, NodeName, NodeOrphanedV1, OrphanForgottenV1,
};
use std::collections::BTreeSet;

/// Adds what follows to the events of a decision.
pub(crate) fn add(state: &State, events: &mut Vec<Event>) {
    for name in touched(state, events) {
        let mut after = part(state, &name);
        events.iter().for_each(|event| evolve(&mut after, event));
        loop {
            let more = next(state, &after, &name, next_generation(state));
            if more.is_empty() {
                break;
            }
            more.iter().for_each(|event| evolve(&mut after, event));
            events.extend(more);
        }
    }
}

/// The clusters for which something may follow.
fn touched(state: &State, events: &[Event]) -> BTreeSet<ClusterName> {
    let mut names = BTreeSet::new();
    for event in events {
        // What only tells of something changes nothing that others wait for.
        let tells = matches!(
            event,
            Event::Node(NodeEvent::PodRestarted(_))
                | Event::Cluster(ClusterEvent::KubeconfigIssued(_))
                | Event::Job(
                    JobEvent::JobFailed(_) | JobEvent::JobRetried(_) | JobEvent::JobDeadLettered(_)
                )
        );
        if let Scope::Cluster(name) = Scope::of(event)
            && !tells
        {
            names.insert(name);
        }
        if let Event::Hypervisor(HypervisorEvent::HypervisorObserved(e)) = event {
            let pending_rollout = |name, node: &Node| {
                let cluster = state.clusters.get(name);
                cluster.is_some_and(|c| c.issuers != node.issuers)
            };
            let all = state.nodes_on(&e.name);
            let going = all.filter(|(name, _, node)| node.removing || pending_rollout(*name, node));
            names.extend(going.map(|(name, _, _)| name.clone()));
        }
    }
    names
}

/// One cluster of the state with its hypervisors: all that is needed here.
fn part(state: &State, name: &ClusterName) -> State {
    let (position, time_ms, raised) = (state.position, state.time_ms, state.raised);
    let mut part = State { position, time_ms, raised, ..State::default() };
    if let Some(cluster) = state.clusters.get(name) {
        for node in cluster.nodes.values() {
            if let Some(h) = state.hypervisors.get(&node.hypervisor) {
                part.hypervisors.insert(node.hypervisor.clone(), h.clone());
            }
        }
        part.clusters.insert(name.clone(), cluster.clone());
    }
    part
}

/// What follows in a part of the state; `before` is all of it, before the decision.
fn next(before: &State, state: &State, name: &ClusterName, generation: Generation) -> Vec<Event> {
    let Some(cluster) = state.clusters.get(name) else { return Vec::new() };
    if cluster.phase == ClusterPhase::Creating && cluster.is_converged() {
        return vec![ClusterBecameReadyV1 { name: name.clone() }.into()];
    }
    // A removal that waits for nothing but a hypervisor that is away.
    let left = cluster.nodes.iter().find(|(_, node)| {
        node.removing
            && !cluster.owes_leave(node)
            && state.hypervisors.get(&node.hypervisor).is_some_and(|h| h.is_away())
    });
    if let Some((node, _)) = left {
        return orphaned(cluster, name, node, generation);
    }
    if let Some(expired) = backup::reactions::expired(before, cluster, name, generation) {
        return vec![expired];
    }
    if cluster.phase == ClusterPhase::Deleting || cluster.hibernated {
        return Vec::new();
    }
    if let Some(restore) = &cluster.restore {
        let staging = restore.stage == RestoreStage::Staging;
        if !staging && cluster.is_converged() {
            return backup::reactions::ended(cluster, name, restore, generation);
        }
        // An abort returns to the nodes that there were when all stopped.
        let returns = restore.stage != RestoreStage::AtOnce && !cluster.is_of_backup();
        if restore.is_down() && (staging || returns) {
            return Vec::new();
        }
    }
    let ready = cluster.nodes.values().filter(|node| node.is_ready());
    let replaced = ready
        .filter_map(|node| cluster.replaced_by(node, state.level()))
        .find(|(_, old)| !old.removing);
    if let Some((old, _)) = replaced
        && let Ok(events) = removal(cluster, name, old, generation)
    {
        return events;
    }
    if let Some(linked) = tunnel::reactions::link_control_planes(cluster, name) {
        return vec![linked];
    }
    let next = upgrade::reactions::step(cluster, name, generation);
    let next = next.or_else(|| rotation::reactions::step(cluster, name, generation));
    next.or_else(|| authentication::reactions::step(state, name, generation)).into_iter().collect()
}

/// What stands there is owed until the hypervisor is back, or forgotten where the
/// deletion says so.
fn orphaned(
    cluster: &Cluster,
    cluster_name: &ClusterName,
    node: &NodeName,
    generation: Generation,
) -> Vec<Event> {
    let (c, name) = (cluster_name.clone(), node.clone());
    let mut events = vec![NodeOrphanedV1 { cluster: c, name, generation }.into()];
    if cluster.forget_orphans
        && let Some(n) = cluster.nodes.get(node)
    {
        let (hypervisor, node) = (n.hypervisor.clone(), node.clone());
        events.push(OrphanForgottenV1 { hypervisor, cluster_uid: cluster.uid, node }.into());
    }
    events
}
