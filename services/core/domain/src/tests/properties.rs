//! What holds for any history.
#![allow(clippy::unwrap_used, missing_docs)]

use super::steps::{linked, step, take};
use crate::support::*;
use crate::*;
use oi_events::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn no_port_is_used_twice(state: &State) {
    let mut used = BTreeSet::new();
    for cluster in state.clusters.values() {
        for node in cluster.nodes.values() {
            let spec = &state.hypervisors[&node.hypervisor].spec;
            assert_eq!(spec.public, node.role == Role::ControlPlaneIngress);
            for port in node.ports.values() {
                assert!((spec.port_low..=spec.port_high).contains(port));
                assert!(used.insert((&node.hypervisor, port)), "{} {port}", node.hypervisor);
            }
        }
    }
    for (name, h) in &state.hypervisors {
        for port in h.orphans.iter().flat_map(|l| l.ports.values()) {
            assert!(used.insert((name, port)), "{name} {port} of an orphan");
        }
    }
}

/// Where an event puts a second member of a cluster on a hypervisor, no other one that
/// could take it had fewer.
fn members_spread(before: &State, events: &[Event]) {
    // A replacement goes elsewhere first of all.
    if events.iter().any(|e| matches!(e, Event::Node(NodeEvent::NodeReplacementStarted(_)))) {
        return;
    }
    for event in events {
        let Event::Node(NodeEvent::NodeAdded(added)) = event else { continue };
        // Of several that are added at once, each counts for the next.
        if added.role == Role::ApiServer {
            continue;
        }
        let count = |h: &HypervisorName| {
            before
                .nodes_on(h)
                .filter(|(c, _, n)| **c == added.cluster && n.role == added.role)
                .count()
        };
        let chosen = count(&added.hypervisor);
        for name in before.hypervisors.keys() {
            let place = place(before, &added.cluster, added.role, Some(name));
            // Where an earlier node of its name left something, it may not come.
            let is_its = |l: &Orphan| l.cluster == added.cluster && l.node == added.name;
            let is_left = before.hypervisors[name].orphans.iter().any(is_its);
            if place.is_ok() && !is_left {
                assert!(chosen <= count(name), "{} rather than {name}", added.hypervisor);
            }
        }
    }
}

/// A shared port is no node's own, leads each name to one cluster, and those without a name
/// to one.
fn shared_ports_hold(state: &State) {
    let mut named = BTreeMap::new();
    for cluster in state.clusters.values() {
        if let Some(e) = &cluster.endpoint {
            assert!(named.insert((e.host.clone(), e.port), cluster.uid).is_none(), "{e} twice");
        }
    }
    for name in state.hypervisors.keys() {
        let mut defaults = BTreeMap::new();
        for route in state.routes(name) {
            assert!(state.hypervisors[name].may_share(route.port), "{name} {route:?}");
            let own = |n: &Node| n.ports.values().any(|port| *port == route.port);
            assert!(!state.nodes_on(name).any(|(_, _, n)| own(n)), "{name} {route:?}");
            if route.is_default() {
                let other = defaults.insert(route.port, route.cluster.clone());
                assert!(other.is_none_or(|other| other == route.cluster), "{name} {route:?}");
            }
        }
    }
}

/// In a tunnel each address and each key is one peer's, and each API server has a link as
/// long as there are addresses.
fn links_hold(state: &State) {
    for cluster in state.clusters.values() {
        let Some(tunnel) = &cluster.tunnel else { continue };
        let addresses: BTreeSet<_> = tunnel.peers.values().map(|p| p.address).collect();
        assert_eq!(addresses.len(), tunnel.peers.len());
        let keys: Vec<_> = tunnel.peers.values().filter_map(|p| p.public_key).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        for peer in tunnel.peers.keys() {
            let TunnelPeer::ControlPlane(node) = peer else { continue };
            assert!(cluster.nodes.contains_key(node), "{node} is gone");
        }
    }
}

/// Once a cluster is ready, each component runs somewhere, and beside an API server.
fn components_hold(state: &State) {
    for cluster in state.clusters.values().filter(|c| c.phase == ClusterPhase::Ready) {
        for component in Component::ALL {
            let carriers = cluster.carriers(component);
            assert!(!carriers.is_empty(), "no {}", component.as_str());
            assert!(carriers.iter().all(|(_, n)| n.components.contains(&Component::ApiServer)));
        }
    }
}

fn one_membership_change_at_a_time(state: &State) {
    let mut changes: BTreeMap<ClusterName, usize> = BTreeMap::new();
    for job in owed(state) {
        let (Some(cluster), Some(node)) = (job.cluster, job.node) else { continue };
        // What is left of a node may be of a cluster that is gone.
        let Some(c) = state.clusters.get(&cluster) else {
            assert_eq!(job.kind, JobKind::RemoveOrphan);
            continue;
        };
        let joins = job.kind == JobKind::EnsureEtcd && !c.nodes[&node].joined;
        if joins || job.kind == JobKind::LeaveCluster {
            *changes.entry(cluster).or_default() += 1;
        }
    }
    assert!(changes.values().all(|n| *n <= 1), "{changes:?}");
}

#[test]
fn a_linked_world_has_both_kinds_of_peers() {
    let world = linked();
    let tunnel = world.cluster("c0").tunnel.as_ref().unwrap();
    let peers: Vec<String> = tunnel.peers.keys().map(ToString::to_string).collect();
    assert_eq!(peers, ["controlplane/n0", "worker/w0"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_rules_and_replays(
        is_linked in any::<bool>(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = if is_linked { linked() } else { World::new() };
        world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
        let mut by_scope: BTreeMap<Scope, Vec<Job>> = BTreeMap::new();
        for step in steps {
            let (before, length) = (world.state.clone(), world.log.len());
            take(&mut world, step);
            for event in world.log[length..].iter().flat_map(|r| &r.commit.events) {
                let scope = Scope::of(event);
                by_scope.insert(scope.clone(), owed_in(&world.state, &scope));
            }
            let known: Vec<Job> = by_scope.values().flatten().cloned().collect();
            prop_assert_eq!(&known, &owed(&world.state), "an event changed what it does not name");
            if let [commit] = &world.log[length..] {
                members_spread(&before, &commit.commit.events);
            }
            if world.log.len() > length {
                serde_json::to_value(&world.state).unwrap();
            }
            no_port_is_used_twice(&world.state);
            one_membership_change_at_a_time(&world.state);
            components_hold(&world.state);
            links_hold(&world.state);
            shared_ports_hold(&world.state);
        }
        // The bytes are all that a replay needs, from any snapshot on.
        let mut replayed = State::default();
        let half = world.log.len() / 2;
        for recorded in &world.log {
            if recorded.position == half as u64 {
                let bytes = to_bytes(&replayed).unwrap();
                replayed = from_bytes_strict(&bytes).unwrap();
            }
            let commit = &recorded.commit;
            let decoded = Commit::decode(commit.header.clone(), &commit.encode_body().unwrap()).unwrap();
            let decoded = RecordedCommit { commit: decoded, ..recorded.clone() };
            // The rules give the same again, without keys.
            recheck(&replayed, &decoded).unwrap();
            apply(&mut replayed, &decoded);
        }
        prop_assert_eq!(&replayed, &world.state);
        prop_assert_eq!(replayed.hash().unwrap(), world.state.hash().unwrap());
        prop_assert_eq!(owed(&replayed), owed(&world.state));
        // Whatever came, work that succeeds comes to an end.
        world.now_ms += 1_000_000;
        for command in due(&world.state, world.now_ms) {
            world.run(command);
        }
        world.finish_all();
    }

    #[test]
    fn any_order_of_events_folds_without_panic(
        steps in prop::collection::vec(step(), 1..60),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..100),
    ) {
        let mut world = World::with_cluster();
        world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
        for step in steps {
            take(&mut world, step);
        }
        let events: Vec<Event> = world.log.iter().flat_map(|r| r.commit.events.clone()).collect();
        let mut state = State::default();
        for index in order {
            evolve(&mut state, &events[index.index(events.len())]);
            owed(&state);
            state.hash().unwrap();
        }
    }
}
