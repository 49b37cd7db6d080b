//! What happens to clusters that live for longer: hypervisors lost, upgrades,
//! hibernation, planned deletions, certificates renewed, and plans of all of it.
#![allow(clippy::unwrap_used, missing_docs)]

use crate::support::*;
use crate::*;
use oi_events::*;

const MINUTE: u64 = 60_000;

/// Six hypervisors, and a ready cluster of three control planes and an ingress.
fn three() -> World {
    let mut world = World::new();
    for n in 0..7 {
        let h = hypervisor(n);
        let name = h.name.clone();
        world.run(h);
        world.run(seen(name.as_str(), true));
    }
    world.finish_all();
    world.run(cluster("test"));
    for n in 1..=3 {
        world.run(node("test", &format!("cp-{n}"), Role::ControlPlane));
    }
    world.run(node("test", "lb-1", Role::ControlPlaneIngress));
    world.finish_all();
    world
}

fn seen(hypervisor: &str, reachable: bool) -> ReportObservationV1 {
    let name = name(hypervisor);
    let observation = if reachable {
        Observation::HypervisorReachable { name, runtime: "containerd".to_owned() }
    } else {
        Observation::HypervisorUnreachable { name, reason: "gone".to_owned() }
    };
    ReportObservationV1 { observation }
}

fn place_of(world: &World, n: &str) -> String {
    world.node("test", n).hypervisor.to_string()
}

/// Enters what time owes, as a decider does, and does all that can be done.
fn settle(world: &mut World) {
    for _ in 0..100 {
        let mut commands = due(&world.state, world.now_ms);
        commands.extend(lost(&world.state, world.now_ms, 5 * MINUTE));
        let jobs: Vec<Job> = owed(&world.state).into_iter().filter(|j| can_do(world, j)).collect();
        if commands.is_empty() && jobs.is_empty() {
            return;
        }
        for command in commands {
            world.run(command);
        }
        if let Some(job) = jobs.first() {
            world.succeed(&job.id.0.clone());
        }
    }
    panic!("no end: {:?}", world.owed());
}

fn can_do(world: &World, job: &Job) -> bool {
    let h = job.hypervisor.as_ref().map(|h| &world.state.hypervisors[h]);
    job.kind == JobKind::LeaveCluster || h.is_none_or(|h| !h.is_away())
}

fn names(world: &World) -> Vec<String> {
    world.cluster("test").nodes.keys().map(ToString::to_string).collect()
}

#[test]
fn nodes_of_a_hypervisor_that_stays_away_get_a_new_place() {
    let mut world = three();
    let away = place_of(&world, "cp-2");
    world.run(seen(&away, false));
    world.now_ms += 5 * MINUTE - 1;
    assert_eq!(lost(&world.state, world.now_ms, 5 * MINUTE), [], "not before its time");
    world.now_ms += 1;
    let replace = lost(&world.state, world.now_ms, 5 * MINUTE);
    assert_eq!(replace.len(), 1);
    let events = world.run(replace[0].clone());
    assert_eq!(kinds(&events), ["NodeAdded", "NodeChanged", "NodeReplacementStarted"]);
    assert_eq!(lost(&world.state, world.now_ms, 5 * MINUTE), [], "once");
    // The new member first; only then does the old one go.
    assert!(!world.owed().iter().any(|j| j.contains("cp-2.") && j.ends_with("leave")));
    settle(&mut world);
    assert_eq!(names(&world), ["cp-1", "cp-2-r2", "cp-3", "lb-1"]);
    assert_ne!(place_of(&world, "cp-2-r2"), away);
    assert!(world.cluster("test").is_converged());
    let left = &world.state.hypervisors[&name::<HypervisorName>(&away)].orphans;
    assert_eq!(left.len(), 1, "what stands there is owed");
    // It comes back, and is cleared.
    world.run(seen(&away, true));
    assert!(world.owed().iter().any(|j| j.contains("leftover")));
    settle(&mut world);
    assert!(world.state.hypervisors[&name::<HypervisorName>(&away)].orphans.is_empty());
}

#[test]
fn a_lost_majority_is_not_replaced() {
    let mut world = three();
    for n in ["cp-1", "cp-2"] {
        let away = place_of(&world, n);
        world.run(seen(&away, false));
    }
    world.now_ms += 10 * MINUTE;
    assert_eq!(lost(&world.state, world.now_ms, 5 * MINUTE), []);
    let replace = ReplaceNodeV1 { cluster: name("test"), name: name("cp-1") };
    assert_eq!(world.rejection(replace), "quorum-lost");
}

#[test]
fn an_ingress_gets_a_new_place_too() {
    let mut world = three();
    let away = place_of(&world, "lb-1");
    world.run(seen(&away, false));
    world.now_ms += 5 * MINUTE;
    settle(&mut world);
    assert_eq!(names(&world), ["cp-1", "cp-2", "cp-3", "lb-1-r2"]);
    assert_ne!(place_of(&world, "lb-1-r2"), away);
}

#[test]
fn a_hypervisor_that_is_back_in_time_keeps_its_nodes() {
    let mut world = three();
    let away = place_of(&world, "cp-2");
    world.run(seen(&away, false));
    world.now_ms += 4 * MINUTE;
    world.run(seen(&away, true));
    world.now_ms += 4 * MINUTE;
    world.run(seen(&away, false));
    world.now_ms += 4 * MINUTE;
    assert_eq!(lost(&world.state, world.now_ms, 5 * MINUTE), []);
}

#[test]
fn a_deletion_ends_though_a_hypervisor_is_away() {
    let mut world = three();
    let away = place_of(&world, "cp-2");
    let ports = world.node("test", "cp-2").ports.clone();
    world.run(DeleteClusterV2 { name: name("test"), forget_orphans: false });
    world.run(seen(&away, false));
    settle(&mut world);
    assert!(world.state.clusters.is_empty(), "{:?}", world.owed());
    let unregister = UnregisterHypervisorV1 { name: name(&away) };
    assert_eq!(world.rejection(unregister.clone()), "hypervisor-has-orphans");
    // Its ports may still be taken.
    world.run(seen(&away, true));
    let (_, free) =
        place(&world.state, &name("test"), Role::ControlPlane, Some(&name(&away))).unwrap();
    assert!(free.iter().all(|p| !ports.values().any(|taken| *taken == p.port)));
    world.run(seen(&away, false));
    world.run(ForgetOrphansV1 { name: name(&away) });
    world.run(unregister);
}

fn upgrade(to: &str) -> UpgradeClusterV1 {
    UpgradeClusterV1 { name: name("test"), to: name(to) }
}

/// `component@node` in the order in which they are replaced.
fn replaced(world: &mut World, first: Vec<Event>) -> Vec<String> {
    let mut order = Vec::new();
    let mut events = first;
    loop {
        for event in &events {
            if let Event::Upgrade(UpgradeEvent::ComponentVersionChanged(e)) = event {
                order.push(format!("{}@{} {}", e.component.as_str(), e.node, e.version));
            }
        }
        let owed = world.owed();
        assert!(owed.len() <= 1, "one at a time: {owed:?}");
        match owed.first() {
            None => return order,
            Some(job) => events = world.succeed(&job.clone()),
        }
    }
}

#[test]
fn an_upgrade_goes_one_component_at_a_time_in_the_supported_order() {
    let mut world = three();
    world.run(cluster("other"));
    let events = world.run(upgrade("v1.36.4"));
    let order = replaced(&mut world, events);
    let expected: Vec<String> = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]
        .into_iter()
        .flat_map(|c| (1..=3).map(move |n| format!("{c}@cp-{n} v1.36.4")))
        .collect();
    assert_eq!(order, expected);
    assert_eq!(world.cluster("test").spec.kubernetes_version, name("v1.36.4"));
    assert_eq!(world.cluster("test").upgrade, None);
    assert_eq!(world.run(upgrade("v1.36.4")), [], "it is there already");
}

#[test]
fn upgrades_that_cannot_be_are_refused() {
    let mut world = World::with_hypervisors();
    world.run(cluster_of("test", "v1.34.1"));
    assert_eq!(world.rejection(upgrade("v1.35.0")), "upgrade-impossible", "not ready yet");
    world.run(node("test", "cp-1", Role::ControlPlane));
    world.run(node("test", "lb-1", Role::ControlPlaneIngress));
    world.finish_all();
    assert_eq!(world.rejection(upgrade("v1.36.0")), "upgrade-impossible", "two minors");
    assert_eq!(world.rejection(upgrade("v1.34.0")), "upgrade-impossible", "down");
    assert_eq!(world.rejection(upgrade("v1.37.0")), "version-unsupported");
    let change = |change| ChangeUpgradeV1 { name: name("test"), change };
    assert_eq!(world.rejection(change(UpgradeChange::Pause)), "no-upgrade");
    world.run(upgrade("v1.35.0"));
    assert_eq!(world.run(upgrade("v1.35.0")), [], "asked for twice");
    assert_eq!(world.rejection(upgrade("v1.35.1")), "upgrade-running");
    let hibernate = HibernateClusterV1 { name: name("test"), hibernated: true };
    assert_eq!(world.rejection(hibernate), "cluster-busy");
}

#[test]
fn an_upgrade_is_paused_resumed_and_rolled_back() {
    let mut world = three();
    let change = |change| ChangeUpgradeV1 { name: name("test"), change };
    world.run(upgrade("v1.36.4"));
    world.run(change(UpgradeChange::Pause));
    let job = world.owed().remove(0);
    world.succeed(&job);
    assert_eq!(world.owed(), [] as [String; 0], "what was begun is finished, no more");
    let events = world.run(change(UpgradeChange::Resume));
    assert_eq!(kinds(&events), ["UpgradeChanged", "ComponentVersionChanged"]);
    let job = world.owed().remove(0);
    world.succeed(&job);
    let job = world.owed().remove(0);
    let events = world.run(change(UpgradeChange::RollBack));
    assert_eq!(kinds(&events), ["UpgradeChanged"], "what was begun is finished first");
    let events = world.succeed(&job);
    let order = replaced(&mut world, events);
    let back: Vec<_> = (1..=3).map(|n| format!("kube-apiserver@cp-{n} v1.36.3")).collect();
    assert_eq!(order, back);
    assert_eq!(world.cluster("test").spec.kubernetes_version, name("v1.36.3"));
}

#[test]
fn a_minor_upgrade_cannot_roll_back_once_all_api_servers_are_new() {
    let mut world = World::with_hypervisors();
    world.run(cluster_of("test", "v1.35.4"));
    world.run(node("test", "cp-1", Role::ControlPlane));
    world.run(node("test", "lb-1", Role::ControlPlaneIngress));
    world.finish_all();
    world.run(upgrade("v1.36.3"));
    let back = ChangeUpgradeV1 { name: name("test"), change: UpgradeChange::RollBack };
    assert_eq!(world.rejection(back), "upgrade-impossible");
}

#[test]
fn a_hibernated_cluster_runs_nothing_and_wakes_all_at_once() {
    let mut world = three();
    let hibernate = |hibernated| HibernateClusterV1 { name: name("test"), hibernated };
    world.run(hibernate(true));
    assert_eq!(world.run(hibernate(true)), []);
    assert_eq!(world.owed().iter().filter(|j| j.ends_with(".stop")).count(), 4);
    world.finish_all();
    assert_eq!(world.rejection(upgrade("v1.36.4")), "cluster-hibernated");
    assert_eq!(world.rejection(node("test", "cp-4", Role::ControlPlane)), "cluster-hibernated");
    world.run(hibernate(false));
    let etcd = world.owed().iter().filter(|j| j.ends_with(".etcd")).count();
    assert_eq!(etcd, 3, "a quorum comes back together: {:?}", world.owed());
    world.finish_all();
    assert!(world.cluster("test").is_converged());
}

#[test]
fn a_cluster_whose_deletion_is_scheduled_comes_back_until_its_time() {
    let mut world = three();
    let schedule_deletion = ScheduleDeletionV1 { name: name("test"), grace_ms: 10 * MINUTE };
    world.run(schedule_deletion.clone());
    world.finish_all();
    assert_eq!(world.run(schedule_deletion.clone()), []);
    assert_eq!(world.rejection(upgrade("v1.36.4")), "deletion-scheduled");
    world.run(UndeleteClusterV1 { name: name("test") });
    assert_eq!(world.run(UndeleteClusterV1 { name: name("test") }), []);
    world.finish_all();
    assert!(world.cluster("test").is_converged());
    world.run(schedule_deletion);
    world.now_ms += 10 * MINUTE - 1;
    settle(&mut world);
    assert!(!world.state.clusters.is_empty());
    world.now_ms += 1;
    settle(&mut world);
    assert!(world.state.clusters.is_empty());
}

#[test]
fn certificates_are_renewed_at_two_thirds_of_their_life() {
    let mut world = three();
    let cp = world.node("test", "cp-1");
    let (at, end) = (cp.renew_at_ms["apiserver"], cp.credentials["apiserver"].not_after_ms);
    let life = end - world.now_ms;
    assert!(at.abs_diff(world.now_ms + life / 3 * 2) < MINUTE);
    world.now_ms = at - 1;
    assert_eq!(due(&world.state, world.now_ms), []);
    world.now_ms = at;
    let commands = due(&world.state, world.now_ms);
    assert_eq!(commands.len(), 1, "one node at a time: {commands:?}");
    let events = world.run(commands[0].clone());
    assert_eq!(kinds(&events), ["CertificateReplaced"; 9]);
    assert_eq!(world.run(commands[0].clone()), [], "asked for twice");
    assert_eq!(due(&world.state, world.now_ms), [], "the next when this one is ready");
    settle(&mut world);
    for n in ["cp-1", "cp-2", "cp-3"] {
        assert!(world.node("test", n).renew_at_ms.values().all(|at| *at > world.now_ms));
    }
}

fn rotate(step: RotationStep) -> RotateCaV1 {
    RotateCaV1 { name: name("test"), step }
}

/// The nodes that change, in the order in which they do, one at a time.
fn changed_one_by_one(world: &mut World, first: Vec<Event>) -> Vec<String> {
    let mut changed = Vec::new();
    let mut events = first;
    for _ in 0..100 {
        let mut nodes: Vec<String> = events
            .iter()
            .filter_map(|e| match e {
                Event::Node(NodeEvent::NodeChanged(e)) => Some(e.node.to_string()),
                Event::Node(NodeEvent::CertificateReplaced(e)) => Some(e.node.to_string()),
                _ => None,
            })
            .collect();
        nodes.dedup();
        assert!(nodes.len() <= 1, "{nodes:?}");
        changed.extend(nodes);
        events = if let Some(job) = world.owed().first().cloned() {
            world.succeed(&job)
        } else if let Some(command) = due(&world.state, world.now_ms).first().cloned() {
            world.run(command)
        } else {
            return changed;
        };
    }
    panic!("no end");
}

#[test]
fn authorities_are_rotated_with_both_trusted_in_between() {
    let mut world = three();
    let ca = |world: &World| world.cluster("test").credentials["ca"].public.clone();
    let trusted = |world: &World| world.cluster("test").trusted(Ca::Kubernetes).len();
    let issued = |world: &mut World, serial: &str| {
        let issuer = fingerprint(world.cluster("test").signs_users().unwrap());
        world.run(RecordKubeconfigV2 {
            cluster: name("test"),
            common_name: "alice".to_owned(),
            organizations: Vec::new(),
            serial: serial.to_owned(),
            not_after_ms: 2_000_000_000_000,
            issuer,
        })
    };
    assert_eq!(world.rejection(rotate(RotationStep::Switch)), "no-rotation");
    let old = ca(&world);
    issued(&mut world, "before");

    let events = world.run(rotate(RotationStep::Start));
    assert_eq!(kinds(&events), ["RotationStarted", "NodeChanged"]);
    assert_eq!(world.rejection(rotate(RotationStep::Switch)), "rotation-unfinished");
    assert_eq!(world.rejection(rotate(RotationStep::Finish)), "rotation-step");
    assert_eq!(world.rejection(upgrade("v1.36.4")), "upgrade-impossible");
    issued(&mut world, "too early");
    let all = ["cp-1", "cp-2", "cp-3", "lb-1"];
    assert_eq!(changed_one_by_one(&mut world, events), all);
    assert_eq!((trusted(&world), ca(&world) == old), (2, true));
    issued(&mut world, "in time");

    let events = world.run(rotate(RotationStep::Switch));
    assert_eq!(kinds(&events), ["RotationAdvanced"]);
    assert_eq!(changed_one_by_one(&mut world, events), all[..3]);
    assert_eq!((trusted(&world), ca(&world) == old), (2, false));
    let by = String::from_utf8(ca(&world)).unwrap();
    for cp in &all[..3] {
        let leaf = &world.node("test", cp).credentials["apiserver"];
        assert!(String::from_utf8_lossy(&leaf.public).ends_with(&by));
    }
    assert_eq!(world.rejection(rotate(RotationStep::Abort)), "rotation-step");
    assert_eq!(world.cluster("test").kubeconfigs.len(), 3, "all are accepted until the end");

    let events = world.run(rotate(RotationStep::Finish));
    assert_eq!(kinds(&events), ["RotationAdvanced", "NodeChanged"]);
    assert_eq!(changed_one_by_one(&mut world, events), all);
    let cluster = world.cluster("test");
    assert!(cluster.rotation.is_none() && cluster.other_cas.is_empty());
    assert_eq!(cluster.kubeconfigs.keys().collect::<Vec<_>>(), ["in time"]);
    assert_eq!(world.rejection(rotate(RotationStep::Finish)), "no-rotation");
}

#[test]
fn a_plan_names_what_a_rotation_restarts() {
    let mut world = three();
    let mut planned = |step| {
        let plan = plan(&world.state, &[world.envelope(rotate(step))], world.now_ms);
        world.run(rotate(step));
        settle(&mut world);
        restarts(&plan).into_iter().filter(|r| *r).count()
    };
    // Members and API servers; then controller managers and schedulers; then again.
    let counts =
        [RotationStep::Start, RotationStep::Switch, RotationStep::Finish].map(&mut planned);
    assert_eq!(counts, [3, 6, 3]);
}

#[test]
fn a_rotation_is_aborted_before_the_switch() {
    let mut world = three();
    let before = world.cluster("test").credentials.clone();
    world.run(rotate(RotationStep::Start));
    world.run(rotate(RotationStep::Abort));
    settle(&mut world);
    let cluster = world.cluster("test");
    assert!(cluster.rotation.is_none() && cluster.other_cas.is_empty());
    assert_eq!(cluster.credentials, before);
}

#[test]
fn a_kubeconfig_of_a_retired_authority_is_not_handed_out() {
    let mut world = three();
    let record = RecordKubeconfigV2 {
        cluster: name("test"),
        common_name: "alice".to_owned(),
        organizations: Vec::new(),
        serial: "5f".to_owned(),
        not_after_ms: 1,
        issuer: Hash([7; 32]),
    };
    assert_eq!(world.rejection(record), "ca-retired");
}

fn scale(counts: [Option<u32>; 3]) -> ScaleClusterV1 {
    let [api_servers, controller_managers, schedulers] = counts;
    ScaleClusterV1 { name: name("test"), api_servers, controller_managers, schedulers }
}

/// `node: components` of all nodes that run some.
fn layout(world: &World) -> Vec<String> {
    let nodes = world.cluster("test").nodes.iter().filter(|(_, n)| !n.components.is_empty());
    nodes
        .map(|(name, n)| {
            let all: Vec<_> = n.components.iter().map(|c| &c.as_str()[5..8]).collect();
            format!("{name}: {}", all.join(" "))
        })
        .collect()
}

#[test]
fn components_scale_separately_and_etcd_is_not_touched() {
    let mut world = World::with_cluster();
    let etcd = world.node("test", "cp-1").generation;
    world.run(scale([Some(3), None, None]));
    let jobs = world.owed();
    assert!(jobs.iter().all(|j| !j.ends_with(".etcd")), "{jobs:?}");
    world.finish_all();
    assert_eq!(layout(&world), ["api-1: api", "api-2: api", "cp-1: api con sch"]);
    assert_eq!(world.run(scale([Some(3), Some(1), None])), [], "it is so already");
    world.run(scale([None, Some(2), Some(3)]));
    world.finish_all();
    assert_eq!(layout(&world), ["api-1: api con sch", "api-2: api sch", "cp-1: api con sch"]);
    let back = world.run(scale([Some(1), None, None]));
    let expected = ["NodeRemovalStarted", "NodeRemovalStarted", "NodeChanged"];
    assert_eq!(kinds(&back), expected, "ingresses learn of it once");
    world.finish_all();
    assert_eq!(layout(&world), ["cp-1: api con sch"]);
    assert_eq!(world.node("test", "cp-1").generation, etcd);
    assert_eq!(world.rejection(scale([Some(0), None, None])), "invalid");
    assert_eq!(world.rejection(scale([None, Some(2), None])), "invalid");
}

#[test]
fn members_without_components_stay_members() {
    let mut world = three();
    world.run(scale([Some(1), None, None]));
    world.finish_all();
    assert_eq!(layout(&world), ["cp-1: api con sch"]);
    assert_eq!(world.rejection(remove("test", "cp-1")), "last-component");
    // What takes its place does what it did.
    world.run(ReplaceNodeV1 { cluster: name("test"), name: name("cp-1") });
    settle(&mut world);
    assert_eq!(layout(&world), ["cp-1-r2: api con sch"]);
    world.run(ReplaceNodeV1 { cluster: name("test"), name: name("cp-2") });
    settle(&mut world);
    assert_eq!(layout(&world), ["cp-1-r2: api con sch"]);
    assert_eq!(world.cluster("test").control_planes().len(), 3);
}

#[test]
fn api_servers_without_a_member_learn_of_members() {
    let mut world = three();
    world.run(scale([Some(4), None, None]));
    world.finish_all();
    let of_api = |world: &World| world.node("test", "api-1").generation;
    let before = of_api(&world);
    world.run(node("test", "cp-4", Role::ControlPlane));
    assert_eq!(of_api(&world), before, "not before it has joined");
    world.finish_all();
    let joined = of_api(&world);
    assert!(joined > before);
    world.run(remove("test", "cp-4"));
    assert!(of_api(&world) > joined);
    world.finish_all();
    assert!(world.cluster("test").is_converged());
}

#[test]
fn a_member_that_does_not_keep_running_is_replaced() {
    let mut world = three();
    let generation = world.node("test", "cp-2").generation;
    let (cluster, node, reason) = (name("test"), name("cp-2"), "no data".to_owned());
    let observation = Observation::MemberBroken { cluster, node, generation, reason };
    let broken = ReportObservationV1 { observation };
    assert_eq!(kinds(&world.run(broken.clone())), ["MemberBroken"]);
    assert_eq!(world.run(broken), [], "known");
    settle(&mut world);
    assert_eq!(names(&world), ["cp-1", "cp-2-r2", "cp-3", "lb-1"]);
    // Where a job finds it, too.
    let renew = world.node("test", "cp-3").renew_at_ms["apiserver"];
    world.now_ms = renew;
    world.run(RenewCertificatesV1 { cluster: name("test"), node: name("cp-3") });
    let job = world.owed().into_iter().find(|j| j.ends_with(".etcd")).unwrap();
    for _ in 0..5 {
        assert_eq!(lost(&world.state, world.now_ms, 5 * MINUTE), []);
        world.report(
            &job,
            JobResult::Failed { message: "it ends".to_owned(), class: FailureClass::Transient },
        );
        world.run(RetryJobV1 { job: JobId(job.clone()) });
    }
    let broken = lost(&world.state, world.now_ms, 5 * MINUTE);
    assert_eq!(kinds(&world.run(broken[0].clone())), ["MemberBroken"]);
    let asked = lost(&world.state, world.now_ms, 5 * MINUTE);
    let replace = ReplaceNodeV1 { cluster: name("test"), name: name("cp-3") };
    assert_eq!(asked, [Command::Node(NodeCommand::ReplaceNode(replace))]);
}

fn back_up(world: &mut World) -> BackupId {
    let events = world.run(BackupClusterV1 { name: name("test") });
    let Event::Backup(BackupEvent::BackupStarted(started)) = &events[0] else {
        panic!("{events:?}")
    };
    let (cluster, backup) = (name("test"), started.backup);
    let job = world.owed().into_iter().find(|j| j.ends_with(".backup")).unwrap();
    let observation = Observation::BackupTaken { cluster, backup, snapshot: snapshot() };
    let taken = ReportObservationV1 { observation };
    world.run(taken.clone());
    assert_eq!(world.run(taken), [], "the first word counts");
    assert!(!world.owed().contains(&job));
    backup
}

#[test]
fn backups_are_taken_by_schedule_and_the_oldest_go() {
    let mut world = three();
    let by_hand = back_up(&mut world);
    world.run(ScheduleBackupsV1 { name: name("test"), every_ms: MINUTE, keep: 2 });
    let mut taken = Vec::new();
    for _ in 0..3 {
        assert_eq!(due(&world.state, world.now_ms + MINUTE - 1), []);
        world.now_ms += MINUTE;
        assert_eq!(due(&world.state, world.now_ms).len(), 1);
        taken.push(back_up(&mut world));
        world.finish_all();
    }
    let kept: Vec<_> = world.cluster("test").backups.keys().copied().collect();
    assert_eq!(kept, taken[1..], "not {by_hand}");
    let gone = DeleteBackupV1 { cluster: name("test"), backup: by_hand };
    assert_eq!(world.rejection(gone), "backup-unknown");
    world.run(ScheduleBackupsV1 { name: name("test"), every_ms: 0, keep: 0 });
    assert_eq!(due(&world.state, world.now_ms + 9 * MINUTE), []);
}

#[test]
fn a_restore_stops_all_puts_the_data_in_place_and_begins_a_new_membership() {
    let mut world = three();
    let unknown = RestoreClusterV1 { name: name("test"), backup: BackupId(Default::default()) };
    assert_eq!(world.rejection(unknown), "backup-unknown");
    let backup = back_up(&mut world);
    world.run(RestoreClusterV1 { name: name("test"), backup });
    let ends =
        |world: &World, step: &str| world.owed().iter().filter(|j| j.ends_with(step)).count();
    assert_eq!((ends(&world, ".stop"), ends(&world, ".restore"), ends(&world, ".etcd")), (3, 0, 0));
    while ends(&world, ".stop") > 0 {
        let job = world.owed().into_iter().find(|j| j.ends_with(".stop")).unwrap();
        world.succeed(&job);
    }
    assert_eq!((ends(&world, ".restore"), ends(&world, ".etcd")), (3, 0), "{:?}", world.owed());
    assert_eq!(world.rejection(remove("test", "cp-2")), "restore-running");
    assert_eq!(world.rejection(BackupClusterV1 { name: name("test") }), "restore-running");
    while ends(&world, ".restore") > 0 {
        let job = world.owed().into_iter().find(|j| j.ends_with(".restore")).unwrap();
        world.succeed(&job);
    }
    let joined = |n: &str| world.node("test", n).joined;
    assert_eq!([joined("cp-1"), joined("cp-2"), joined("cp-3")], [true, false, false]);
    assert_eq!(ends(&world, ".etcd"), 2, "the first comes back, one joins it");
    world.finish_all();
    assert_eq!(world.cluster("test").restore, None);
    assert!(world.cluster("test").is_converged());
}

#[test]
fn a_lost_majority_is_restored_on_what_is_left() {
    let mut world = three();
    let backup = back_up(&mut world);
    for n in ["cp-1", "cp-2"] {
        let away = place_of(&world, n);
        world.run(seen(&away, false));
    }
    world.run(RestoreClusterV1 { name: name("test"), backup });
    settle(&mut world);
    assert_eq!(names(&world), ["cp-3", "lb-1"]);
    assert!(world.cluster("test").is_converged());
    assert_eq!(world.cluster("test").restore, None);
    world.run(node("test", "cp-4", Role::ControlPlane));
    settle(&mut world);
    assert!(world.cluster("test").is_converged());
}

#[test]
fn a_backup_becomes_another_cluster() {
    let mut world = three();
    let backup = back_up(&mut world);
    let clone = CloneClusterV1 { name: name("copy"), source: name("test"), backup };
    world.run(clone.clone());
    assert_eq!(world.rejection(clone), "cluster-exists");
    world.run(node("copy", "cp-1", Role::ControlPlane));
    world.run(node("copy", "lb-1", Role::ControlPlaneIngress));
    world.finish_all();
    let (test, copy) = (world.cluster("test"), world.cluster("copy"));
    assert_eq!((copy.phase, &copy.restore), (ClusterPhase::Ready, &None));
    assert_ne!(copy.credentials["ca"], test.credentials["ca"]);
    assert_eq!(copy.credentials[ENCRYPTION_KEY], test.credentials[ENCRYPTION_KEY]);
}

#[test]
fn a_deletion_can_forget_what_is_away() {
    let mut world = three();
    let away = place_of(&world, "cp-2");
    world.run(seen(&away, false));
    world.run(DeleteClusterV2 { name: name("test"), forget_orphans: true });
    settle(&mut world);
    assert!(world.state.clusters.is_empty());
    assert!(world.state.hypervisors[&name::<HypervisorName>(&away)].orphans.is_empty());
}

/// A plan names what then happens: the same events and the same jobs.
fn as_planned(world: &mut World, command: impl Into<Command>) {
    let envelope = world.envelope(command);
    let planned = plan(&world.state, std::slice::from_ref(&envelope), world.now_ms);
    assert_eq!(planned.position, world.state.position);
    let before = world.owed();
    match world.try_run(envelope.command.clone()) {
        Err(rejection) => {
            assert_eq!(planned.refused.unwrap().code(), rejection.code());
            assert!(planned.events.is_empty() && planned.jobs.is_empty());
        }
        Ok(mut events) => {
            assert!(planned.refused.is_none());
            let mut jobs: Vec<(JobId, JobKind, Option<NodeName>, Option<HypervisorName>)> =
                Vec::new();
            loop {
                let all = owed(&world.state);
                let next = all.iter().find(|j| {
                    !before.contains(&j.id.0)
                        && !jobs.iter().any(|(id, ..)| *id == j.id)
                        && can_do(world, j)
                });
                let Some(job) = next.cloned() else {
                    let rotates = world.rotates();
                    let renewal = due(&world.state, world.now_ms).into_iter().find(|c| {
                        rotates && matches!(c, Command::Node(NodeCommand::RenewCertificates(_)))
                    });
                    let Some(renewal) = renewal else { break };
                    events.extend(world.run(renewal));
                    continue;
                };
                jobs.push((job.id.clone(), job.kind, job.node.clone(), job.hypervisor));
                events.extend(world.succeed(&job.id.0));
            }
            events.retain(|e| !matches!(e, Event::Job(JobEvent::JobSucceeded(_))));
            assert_eq!(kinds(&planned.events), kinds(&events), "{envelope:?}");
            let mut done: Vec<_> = jobs.into_iter().map(|(_, k, n, h)| (k, n, h)).collect();
            let mut foreseen: Vec<_> = planned
                .jobs
                .into_iter()
                .filter(|j| !j.waits)
                .map(|j| (j.job.kind, j.job.node, j.job.hypervisor))
                .collect();
            done.sort();
            foreseen.sort();
            assert_eq!(foreseen, done, "{envelope:?}");
        }
    }
}

#[test]
fn what_a_plan_says_is_what_each_command_does() {
    let mut world = three();
    let test = || name::<ClusterName>("test");
    as_planned(&mut world, hypervisor(9));
    as_planned(&mut world, CordonHypervisorV1 { name: name("hv-9"), cordoned: true });
    as_planned(&mut world, UnregisterHypervisorV1 { name: name("hv-9") });
    as_planned(&mut world, cluster("test"));
    as_planned(&mut world, cluster("other"));
    as_planned(&mut world, node("test", "cp-4", Role::ControlPlane));
    as_planned(&mut world, node("test", "lb-2", Role::ControlPlaneIngress));
    as_planned(&mut world, remove("test", "cp-4"));
    as_planned(&mut world, remove("test", "cp-4"));
    as_planned(&mut world, ReplaceNodeV1 { cluster: test(), name: name("cp-1") });
    as_planned(&mut world, BackupClusterV1 { name: test() });
    as_planned(&mut world, ScheduleBackupsV1 { name: test(), every_ms: MINUTE, keep: 1 });
    let backup = back_up(&mut world);
    as_planned(&mut world, RestoreClusterV1 { name: test(), backup });
    as_planned(&mut world, CloneClusterV1 { name: name("copy"), source: test(), backup });
    as_planned(&mut world, DeleteBackupV1 { cluster: test(), backup });
    as_planned(&mut world, scale([Some(4), None, Some(2)]));
    as_planned(&mut world, scale([Some(2), Some(1), Some(1)]));
    as_planned(&mut world, rotate(RotationStep::Start));
    as_planned(&mut world, rotate(RotationStep::Switch));
    as_planned(&mut world, rotate(RotationStep::Finish));
    as_planned(&mut world, upgrade("v1.36.4"));
    as_planned(&mut world, ChangeUpgradeV1 { name: test(), change: UpgradeChange::Pause });
    as_planned(&mut world, HibernateClusterV1 { name: test(), hibernated: true });
    as_planned(&mut world, HibernateClusterV1 { name: test(), hibernated: false });
    as_planned(&mut world, ScheduleDeletionV1 { name: test(), grace_ms: MINUTE });
    as_planned(&mut world, UndeleteClusterV1 { name: test() });
    as_planned(&mut world, RenewCertificatesV1 { cluster: test(), node: name("cp-2") });
    as_planned(&mut world, RetryJobV1 { job: JobId("node.test.cp-2.1.etcd".to_owned()) });
    let away = place_of(&world, "cp-2");
    world.run(seen(&away, false));
    as_planned(&mut world, ReplaceNodeV1 { cluster: test(), name: name("cp-2") });
    as_planned(&mut world, ForgetOrphansV1 { name: name(&away) });
    as_planned(&mut world, DeleteClusterV2 { name: test(), forget_orphans: false });
}

#[test]
fn a_plan_is_refused_once_the_log_has_moved_on() {
    let mut world = three();
    let mut envelope = world.envelope(upgrade("v1.36.4"));
    envelope.expected_position = Some(plan(&world.state, &[], world.now_ms).position);
    assert!(world.decide(&envelope).is_ok());
    world.run(cluster("other"));
    assert_eq!(world.decide(&envelope).unwrap_err().code().as_str(), "position-moved");
}
