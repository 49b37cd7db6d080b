//! What holds for any history.
#![allow(clippy::unwrap_used, missing_docs)]

use crate::support::*;
use crate::*;
use oi_events::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something that happens to a world; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Step {
    Register(u8),
    Cordon(u8, bool),
    Reach(u8, bool),
    Create(u8),
    Delete(u8),
    Add(u8, u8, bool),
    Remove(u8, u8),
    Finish(usize, bool),
    DeadLetter(usize),
    Wait(u32),
    Replace(u8, u8),
    Upgrade(u8, u8),
    ChangeUpgrade(u8, u8),
    Hibernate(u8, bool),
    ScheduleDeletion(u8, bool),
    ForgetOrphans(u8),
    Scale(u8, [Option<u32>; 3]),
    Break(u8, u8),
    Backup(u8),
    Taken(u8),
    Restore(u8, u8),
    Schedule(u8, u32),
    Rotate(u8, u8),
    Addons(u8, bool),
    Token(u8),
    Revoke(u8),
    Repaired(u8),
    Tunnel(u8),
    Link(u8, u8),
    Unlink(u8, u8),
    Endpoint(u8, Option<u8>, u16),
    Users(u8, u8),
    Share(u8, Vec<u16>),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0..4_u8;
    prop_oneof![
        2 => (0..7_u8).prop_map(Step::Register),
        1 => (0..7_u8, any::<bool>()).prop_map(|(h, c)| Step::Cordon(h, c)),
        1 => (0..7_u8, any::<bool>()).prop_map(|(h, c)| Step::Reach(h, c)),
        2 => n.clone().prop_map(Step::Create),
        1 => n.clone().prop_map(Step::Delete),
        6 => (n.clone(), 0..5_u8, any::<bool>()).prop_map(|(c, m, i)| Step::Add(c, m, i)),
        2 => (n.clone(), 0..5_u8).prop_map(|(c, m)| Step::Remove(c, m)),
        2 => (n.clone(), 0..5_u8).prop_map(|(c, m)| Step::Replace(c, m)),
        1 => (n.clone(), 2..6_u8).prop_map(|(c, p)| Step::Upgrade(c, p)),
        1 => (n.clone(), 0..3_u8).prop_map(|(c, k)| Step::ChangeUpgrade(c, k)),
        1 => (n.clone(), any::<bool>()).prop_map(|(c, s)| Step::Hibernate(c, s)),
        1 => (n, any::<bool>()).prop_map(|(c, b)| Step::ScheduleDeletion(c, b)),
        1 => (0..7_u8).prop_map(Step::ForgetOrphans),
        2 => (0..4_u8, prop::array::uniform3(prop::option::of(1..4_u32)))
            .prop_map(|(c, n)| Step::Scale(c, n)),
        1 => (0..4_u8, 0..5_u8).prop_map(|(c, m)| Step::Break(c, m)),
        2 => (0..4_u8, 0..4_u8).prop_map(|(c, s)| Step::Rotate(c, s)),
        2 => (0..4_u8, any::<bool>()).prop_map(|(c, dns)| Step::Addons(c, dns)),
        2 => (0..4_u8).prop_map(Step::Token),
        1 => (0..4_u8).prop_map(Step::Revoke),
        1 => (0..4_u8).prop_map(Step::Repaired),
        1 => (0..4_u8).prop_map(Step::Tunnel),
        2 => (0..4_u8, 0..20_u8).prop_map(|(c, k)| Step::Link(c, k)),
        1 => (0..4_u8, 0..20_u8).prop_map(|(c, k)| Step::Unlink(c, k)),
        // Ports that nodes also may have, a name for each or an address, forwarded or not.
        2 => (0..4_u8, prop::option::of(0..6_u8), 29_998..30_006_u16)
            .prop_map(|(c, host, port)| Step::Endpoint(c, host, port)),
        1 => (0..4_u8, 0..3_u8).prop_map(|(c, n)| Step::Users(c, n)),
        1 => (0..7_u8, prop::collection::vec(29_998..30_004_u16, 0..3))
            .prop_map(|(h, ports)| Step::Share(h, ports)),
        1 => (0..4_u8).prop_map(Step::Backup),
        2 => (0..4_u8).prop_map(Step::Taken),
        1 => (0..4_u8, 0..4_u8).prop_map(|(c, d)| Step::Restore(c, d)),
        1 => (0..4_u8, 0..3_u32).prop_map(|(c, keep)| Step::Schedule(c, keep)),
        8 => (any::<usize>(), prop::bool::weighted(0.8)).prop_map(|(j, ok)| Step::Finish(j, ok)),
        1 => any::<usize>().prop_map(Step::DeadLetter),
        1 => (0..90_000_u32).prop_map(Step::Wait),
    ]
}

fn take(world: &mut World, step: Step) {
    let cluster_name = |c: u8| format!("c{c}");
    let h = |n: u8| name::<HypervisorName>(&format!("hv-{n}"));
    // A refusal is as good as an event here.
    let _ = match step {
        Step::Register(n) => world.try_run(hypervisor(n)),
        Step::Cordon(n, cordoned) => world.try_run(CordonHypervisorV1 { name: h(n), cordoned }),
        Step::Reach(n, true) => world.try_run(ReportObservationV1 {
            observation: Observation::HypervisorReachable { name: h(n), runtime: "r".to_owned() },
        }),
        Step::Reach(n, false) => world.try_run(ReportObservationV1 {
            observation: Observation::HypervisorUnreachable { name: h(n), reason: "r".to_owned() },
        }),
        Step::Create(c) => world.try_run(cluster(&cluster_name(c))),
        Step::Delete(c) => {
            world.try_run(DeleteClusterV2 { name: name(&cluster_name(c)), forget_orphans: false })
        }
        Step::Add(c, m, ingress) => {
            let role = if ingress { Role::ControlPlaneIngress } else { Role::ControlPlane };
            world.try_run(node(&cluster_name(c), &format!("n{m}"), role))
        }
        Step::Remove(c, m) => world.try_run(remove(&cluster_name(c), &format!("n{m}"))),
        Step::Finish(j, ok) => match world.owed() {
            owed if owed.is_empty() => return,
            owed => {
                let job = owed[j % owed.len()].clone();
                let class =
                    if j % 7 == 0 { FailureClass::Permanent } else { FailureClass::Transient };
                let failed = JobResult::Failed { message: "x".to_owned(), class };
                Ok(if ok { world.succeed(&job) } else { world.report(&job, failed) })
            }
        },
        Step::DeadLetter(j) => match world.owed() {
            owed if owed.is_empty() => return,
            owed => Ok(world.report(&owed[j % owed.len()], JobResult::DeadLettered)),
        },
        Step::Wait(ms) => {
            world.now_ms += u64::from(ms);
            let mut commands = due(&world.state, world.now_ms);
            commands.extend(lost(&world.state, world.now_ms, 60_000));
            for command in commands {
                // One may make the next one needless.
                let _ = world.try_run(command);
            }
            return;
        }
        Step::Replace(c, m) => world.try_run(ReplaceNodeV1 {
            cluster: name(&cluster_name(c)),
            name: name(&format!("n{m}")),
        }),
        Step::Upgrade(c, patch) => world.try_run(UpgradeClusterV1 {
            name: name(&cluster_name(c)),
            to: name(&format!("v1.36.{patch}")),
        }),
        Step::ChangeUpgrade(c, k) => {
            let all = [UpgradeChange::Pause, UpgradeChange::Resume, UpgradeChange::RollBack];
            let change = all[usize::from(k)];
            world.try_run(ChangeUpgradeV1 { name: name(&cluster_name(c)), change })
        }
        Step::Hibernate(c, hibernated) => {
            world.try_run(HibernateClusterV1 { name: name(&cluster_name(c)), hibernated })
        }
        Step::ScheduleDeletion(c, true) => {
            world.try_run(ScheduleDeletionV1 { name: name(&cluster_name(c)), grace_ms: 50_000 })
        }
        Step::ScheduleDeletion(c, false) => {
            world.try_run(UndeleteClusterV1 { name: name(&cluster_name(c)) })
        }
        Step::Scale(c, [api_servers, controller_managers, schedulers]) => {
            let name = name(&cluster_name(c));
            world.try_run(ScaleClusterV1 { name, api_servers, controller_managers, schedulers })
        }
        Step::Break(c, m) => {
            let (cluster, node) = (name(&cluster_name(c)), name(&format!("n{m}")));
            let known =
                world.state.clusters.get(&cluster).and_then(|c: &Arc<Cluster>| c.nodes.get(&node));
            let Some(generation) = known.map(|n| n.generation) else { return };
            let reason = "r".to_owned();
            let observation = Observation::MemberBroken { cluster, node, generation, reason };
            world.try_run(ReportObservationV1 { observation })
        }
        Step::Backup(c) => world.try_run(BackupClusterV1 { name: name(&cluster_name(c)) }),
        Step::Taken(c) => {
            let cluster = name(&cluster_name(c));
            let backups =
                world.state.clusters.get(&cluster).map(|c: &Arc<Cluster>| c.backups.clone());
            let open = backups.unwrap_or_default().into_iter().find(|(_, b)| b.snapshot.is_none());
            let Some((backup, _)) = open else { return };
            let observation = Observation::BackupTaken { cluster, backup, snapshot: snapshot() };
            world.try_run(ReportObservationV1 { observation })
        }
        Step::Restore(c, to) => {
            let (source, to) = (name(&cluster_name(c)), name(&cluster_name(to)));
            let backups =
                world.state.clusters.get(&source).map(|c: &Arc<Cluster>| c.backups.clone());
            let taken = backups.unwrap_or_default().into_iter().find(|(_, b)| b.snapshot.is_some());
            let Some((backup, _)) = taken else { return };
            if source == to {
                world.try_run(RestoreClusterV1 { name: to, backup })
            } else {
                world.try_run(CloneClusterV1 { name: to, source, backup })
            }
        }
        Step::Schedule(c, keep) => {
            let every_ms = if keep == 2 { 0 } else { 20_000 };
            world.try_run(ScheduleBackupsV1 { name: name(&cluster_name(c)), every_ms, keep })
        }
        Step::Addons(c, dns) => {
            let addons = Addons { cni: Cni::Flannel, kube_proxy: true, dns };
            world.try_run(SetAddonsV1 { cluster: name(&cluster_name(c)), addons })
        }
        Step::Token(c) => {
            let (cluster, expires_ms) = (name(&cluster_name(c)), world.now_ms + 60_000);
            let description = String::new();
            world.try_run(CreateJoinTokenV1 { cluster, expires_ms, description })
        }
        Step::Revoke(c) => {
            let cluster = name(&cluster_name(c));
            let token = addons(world, &cluster).and_then(|i| i.tokens.into_keys().next());
            let Some(token) = token else { return };
            world.try_run(RevokeJoinTokenV1 { cluster, token })
        }
        Step::Repaired(c) => {
            let cluster = name(&cluster_name(c));
            let Some(generation) = addons(world, &cluster).map(|i| i.generation) else { return };
            let objects = vec!["ConfigMap a/b".to_owned()];
            let observation = Observation::DriftRepaired { cluster, generation, objects };
            world.try_run(ReportObservationV1 { observation })
        }
        Step::Tunnel(c) => world.try_run(EnableTunnelV1 {
            cluster: name(&cluster_name(c)),
            cidr: "10.254.0.0/28".to_owned(),
        }),
        Step::Link(c, key) => {
            let (cluster, worker) = (name(&cluster_name(c)), format!("w{key}"));
            let observation = Observation::PeerRequested { cluster, worker, public_key: [key; 32] };
            world.try_run(ReportObservationV1 { observation })
        }
        Step::Unlink(c, key) => {
            let (cluster, worker) = (name(&cluster_name(c)), format!("w{key}"));
            let observation = Observation::WorkerGone { cluster, worker, public_key: [key; 32] };
            world.try_run(ReportObservationV1 { observation })
        }
        Step::Endpoint(c, host, port) => {
            let endpoint = host.map(|n| Endpoint {
                host: if n < 3 { format!("api-{n}.test") } else { format!("198.51.100.{n}") },
                port,
                forwarded: n % 3 == 2,
            });
            world.try_run(SetEndpointV1 { cluster: name(&cluster_name(c)), endpoint })
        }
        Step::Share(n, ports) => world.try_run(SharePortsV1 { name: h(n), ports }),
        Step::Users(c, n) => {
            let issuers = (0..n).map(|n| issuer(&format!("https://id-{n}.test"))).collect();
            world.try_run(SetAuthenticationV1 { cluster: name(&cluster_name(c)), issuers })
        }
        Step::ForgetOrphans(n) => world.try_run(ForgetOrphansV1 { name: h(n) }),
        Step::Rotate(c, step) => {
            use RotationStep::*;
            let step = [Start, Switch, Finish, Abort][usize::from(step)];
            world.try_run(RotateCaV1 { name: name(&cluster_name(c)), step })
        }
    };
}

fn addons(world: &World, cluster: &ClusterName) -> Option<InstalledAddons> {
    world.state.clusters.get(cluster).and_then(|c: &Arc<Cluster>| c.addons.clone())
}

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
            assert!(used.insert((name, port)), "{name} {port} of a leftover");
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
            if place.is_ok() {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_rules_and_replays(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
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
        prop_assert_eq!(replayed.hash(), world.state.hash());
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
            state.hash();
        }
    }
}
