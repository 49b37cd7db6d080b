//! Commands about nodes, and where nodes go.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::tests::scenario::*;
use crate::*;
use oi_events::*;

#[test]
fn control_planes_go_to_private_hypervisors_and_ingresses_to_public_ones() {
    let world = World::with_cluster();
    assert_eq!(world.node("test", "cp-1").hypervisor.as_str(), "hv-0");
    assert_eq!(world.node("test", "lb-1").hypervisor.as_str(), "hv-2");
}

#[test]
fn members_of_a_cluster_spread_and_clusters_share() {
    let mut world = World::with_cluster();
    world.run(node("test", "cp-2", Role::ControlPlane));
    assert_eq!(world.node("test", "cp-2").hypervisor.as_str(), "hv-1");
    world.run(cluster("other"));
    world.run(node("other", "cp-1", Role::ControlPlane));
    let ports = |c: &str| world.node(c, "cp-1").ports.values().copied().collect::<Vec<_>>();
    assert_eq!(ports("test"), [30_000, 30_001, 30_002]);
    assert_eq!(ports("other"), [30_003, 30_004, 30_005]);
}

#[test]
fn hypervisors_at_one_address_have_no_port_twice() {
    let mut world = World::with_cluster();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world.run(RegisterHypervisorV1 { address: "192.0.2.1".parse().unwrap(), ..hypervisor(3) });
    world.run(cluster("other"));
    world.run(AddNodeV1 {
        hypervisor: Some(name("hv-3")),
        ..node("other", "cp-1", Role::ControlPlane)
    });
    let ports = |c: &str| world.node(c, "cp-1").ports.values().copied().collect::<Vec<_>>();
    assert_eq!(ports("test"), [30_000, 30_001, 30_002], "on hv-0");
    assert_eq!(ports("other"), [30_003, 30_004, 30_005], "on hv-3");
}

#[test]
fn ports_run_out_and_are_used_again() {
    let mut world = World::with_hypervisors();
    for n in 0..10 {
        world.run(cluster(&format!("c{n}")));
        world.run(node(&format!("c{n}"), "lb", Role::ControlPlaneIngress));
    }
    world.run(cluster("more"));
    let more = node("more", "lb", Role::ControlPlaneIngress);
    assert_eq!(world.rejection(more.clone()), "ports-exhausted");
    world.run(remove("c3", "lb"));
    assert_eq!(world.rejection(more.clone()), "ports-exhausted", "while it is still there");
    world.finish_all();
    world.run(more);
    assert_eq!(world.node("more", "lb").ports[&PortUse::ApiServer], 30_003);
}

#[test]
fn rejections() {
    let mut world = World::with_cluster();
    assert_eq!(world.rejection(node("nowhere", "a", Role::ControlPlane)), "cluster-unknown");
    assert_eq!(world.rejection(node("test", "cp-1", Role::ControlPlane)), "node-exists");
    assert_eq!(world.rejection(node("test", "lb-1", Role::ControlPlane)), "node-exists");
    let on = |h: &str, role| AddNodeV1 { hypervisor: Some(name(h)), ..node("test", "x", role) };
    assert_eq!(world.rejection(on("hv-9", Role::ControlPlane)), "hypervisor-unknown");
    assert_eq!(world.rejection(on("hv-2", Role::ControlPlane)), "no-hypervisor");
    assert_eq!(world.rejection(on("hv-0", Role::ControlPlaneIngress)), "no-hypervisor");
    assert_eq!(world.rejection(remove("nowhere", "a")), "cluster-unknown");
    assert_eq!(world.rejection(remove("test", "a")), "node-unknown");
    assert_eq!(world.rejection(remove("test", "cp-1")), "last-control-plane");
    assert_eq!(world.rejection(remove("test", "lb-1")), "last-ingress");
    world.run(node("test", "lb-2", Role::ControlPlaneIngress));
    world.run(remove("test", "lb-1"));
}

#[test]
fn cordoned_unreachable_and_full_hypervisors_take_nothing() {
    let mut world = World::with_hypervisors();
    world.run(cluster("test"));
    world.run(CordonHypervisorV1 { name: name("hv-0"), cordoned: true });
    let gone = Observation::HypervisorUnreachable { name: name("hv-1"), reason: "gone".to_owned() };
    world.run(ReportObservationV1 { observation: gone });
    let wanted = node("test", "cp-1", Role::ControlPlane);
    assert_eq!(world.rejection(wanted.clone()), "no-hypervisor");
    world.run(RegisterHypervisorV1 { max_nodes: Some(0), ..hypervisor(3) });
    assert_eq!(world.rejection(wanted.clone()), "no-hypervisor");
    world.run(CordonHypervisorV1 { name: name("hv-0"), cordoned: false });
    world.run(wanted);
    assert_eq!(world.node("test", "cp-1").hypervisor.as_str(), "hv-0");
}

#[test]
fn an_ingress_learns_of_a_new_control_plane() {
    let mut world = World::with_cluster();
    let before = world.node("test", "lb-1").generation;
    let events = world.run(node("test", "cp-2", Role::ControlPlane));
    assert_eq!(kinds(&events), ["NodeAdded", "NodeChanged"]);
    assert!(world.node("test", "lb-1").generation > before);
    assert!(world.owed().iter().any(|j| j.ends_with(".ingress")));
}

#[test]
fn a_certificate_names_an_ingress_on_a_later_hypervisor() {
    let mut world = World::with_cluster();
    let same = world.run(node("test", "lb-2", Role::ControlPlaneIngress));
    assert_eq!(kinds(&same), ["NodeAdded"], "its address was named from the start");
    world.run(hypervisor(5));
    let wanted = AddNodeV1 {
        hypervisor: Some(name("hv-5")),
        ..node("test", "lb-3", Role::ControlPlaneIngress)
    };
    let events = world.run(wanted);
    assert_eq!(kinds(&events), ["NodeAdded", "CertificateReplaced"]);
    let public = &world.node("test", "cp-1").credentials["apiserver"].public;
    assert!(String::from_utf8_lossy(public).contains("192.0.2.6"));
}

#[test]
fn the_first_nodes_parts_start_at_once_and_members_join_one_by_one() {
    let mut world = World::with_hypervisors();
    world.run(hypervisor(3));
    world.run(cluster("test"));
    for n in 1..=3 {
        world.run(node("test", &format!("cp-{n}"), Role::ControlPlane));
    }
    let steps = |world: &World| -> Vec<String> {
        let owed = world.owed().into_iter().filter(|j| j.starts_with("node.test."));
        let parts = owed.map(|j| j.split('.').map(str::to_owned).collect::<Vec<_>>());
        parts.map(|p| format!("{} {}", p[2], p[4])).collect()
    };
    let finish = |world: &mut World, what: &str| {
        let (node, step) = what.split_once(' ').unwrap();
        let job = world.owed().into_iter().find(|j| {
            j.starts_with(&format!("node.test.{node}.")) && j.ends_with(&format!(".{step}"))
        });
        world.succeed(&job.unwrap());
    };
    assert_eq!(steps(&world), ["cp-1 etcd", "cp-1 control-plane"]);
    finish(&mut world, "cp-1 etcd");
    assert_eq!(steps(&world), ["cp-1 control-plane", "cp-2 etcd"]);
    finish(&mut world, "cp-2 etcd");
    assert_eq!(steps(&world), ["cp-1 control-plane", "cp-2 control-plane", "cp-3 etcd"]);
}

#[test]
fn members_leave_one_by_one_and_not_while_another_joins() {
    let mut world = World::with_hypervisors();
    world.run(hypervisor(3));
    world.run(cluster("test"));
    for n in 1..=3 {
        world.run(node("test", &format!("cp-{n}"), Role::ControlPlane));
    }
    assert_eq!(world.rejection(remove("test", "cp-1")), "membership-busy");
    world.finish_all();
    world.run(remove("test", "cp-1"));
    assert_eq!(world.run(remove("test", "cp-1")), [], "again: nothing");
    assert_eq!(world.rejection(remove("test", "cp-2")), "membership-busy");
    world.finish_all();
    world.run(remove("test", "cp-2"));
    world.finish_all();
    assert_eq!(world.rejection(remove("test", "cp-3")), "last-control-plane");
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

/// A world where cp-2 left something on a hypervisor that is back, with that hypervisor.
fn with_orphan() -> (World, String) {
    let mut world = three();
    let away = place_of(&world, "cp-2");
    world.run(seen(&away, false));
    world.run(remove("test", "cp-2"));
    settle(&mut world);
    assert_eq!(names(&world), ["cp-1", "cp-3", "lb-1"]);
    world.run(seen(&away, true));
    (world, away)
}

#[test]
fn a_node_does_not_come_where_an_earlier_one_of_its_name_left_something() {
    let (mut world, back) = with_orphan();
    let again = node("test", "cp-2", Role::ControlPlane);
    let pinned = AddNodeV1 { hypervisor: Some(name(&back)), ..again.clone() };
    world.clone().run(pinned.clone());
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    let refused = world.decide(&world.envelope(pinned.clone())).unwrap_err();
    assert_eq!(refused.code().as_str(), "hypervisor-has-orphans");
    assert!(refused.to_string().contains(&format!("hypervisor {back} still has")), "{refused}");
    let other = AddNodeV1 { name: name("cp-4"), ..pinned.clone() };
    world.clone().run(other);
    let mut elsewhere = world.clone();
    elsewhere.run(again.clone());
    assert_ne!(place_of(&elsewhere, "cp-2"), back, "it goes where nothing is left");
    // Where it could go nowhere else, it is refused, too.
    let mut nowhere = world.clone();
    let others: Vec<HypervisorName> = world.state.hypervisors.keys().cloned().collect();
    for other in others.into_iter().filter(|other| other.as_str() != back) {
        nowhere.run(CordonHypervisorV1 { name: other, cordoned: true });
    }
    assert_eq!(nowhere.rejection(again), "hypervisor-has-orphans");
    world.finish_all();
    world.run(pinned);
    assert_eq!(place_of(&world, "cp-2"), back, "once it is cleared");
}

#[test]
fn what_takes_a_nodes_place_is_not_named_like_something_that_is_left() {
    let mut world = three();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    let replace = ReplaceNodeV1 { cluster: name("test"), name: name("cp-1") };
    world.run(node("test", "cp-1-r2", Role::ControlPlane));
    world.finish_all();
    let away = place_of(&world, "cp-1-r2");
    world.run(seen(&away, false));
    world.run(remove("test", "cp-1-r2"));
    settle(&mut world);
    world.run(replace);
    settle(&mut world);
    assert_eq!(names(&world), ["cp-1-r3", "cp-2", "cp-3", "lb-1"]);
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

fn predecessors(world: &World, n: &str) -> Vec<String> {
    world.node("test", n).predecessors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_node_stands_for_all_whose_place_was_taken_before_it() {
    let mut world = three();
    let replace = |n: &str| ReplaceNodeV1 { cluster: name("test"), name: name(n) };
    for n in ["cp-1", "cp-1-r2"] {
        world.run(replace(n));
        settle(&mut world);
    }
    assert_eq!(names(&world), ["cp-1-r3", "cp-2", "cp-3", "lb-1"]);
    assert_eq!(predecessors(&world, "cp-1-r3"), ["cp-1-r2", "cp-1"]);
    // The first name is never forgotten.
    for _ in 0..40 {
        let last = names(&world)[0].clone();
        world.run(replace(&last));
        settle(&mut world);
    }
    let all = predecessors(&world, "cp-1-r43");
    assert_eq!((all.len(), all[0].as_str(), all[31].as_str()), (32, "cp-1-r42", "cp-1"));
}

#[test]
fn a_node_under_the_name_of_a_replaced_one_is_another_one_and_stays() {
    let mut world = three();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world.run(ReplaceNodeV1 { cluster: name("test"), name: name("cp-1") });
    settle(&mut world);
    let events = world.run(node("test", "cp-1", Role::ControlPlane));
    assert!(!kinds(&events).contains(&"NodeRemovalStarted"), "{:?}", kinds(&events));
    assert_eq!(predecessors(&world, "cp-1-r2"), [] as [&str; 0], "who says cp-1 means that one");
    settle(&mut world);
    assert_eq!(names(&world), ["cp-1", "cp-1-r2", "cp-2", "cp-3", "lb-1"]);
    // It can be replaced in its turn.
    let again = world.run(ReplaceNodeV1 { cluster: name("test"), name: name("cp-1") });
    assert!(kinds(&again).contains(&"NodeReplacementStarted"));
}

#[test]
fn certificates_that_end_while_all_is_off_are_renewed_of_all_nodes_at_once() {
    let mut world = three();
    // No one waits for another: without new certificates on a majority, no member is well.
    world.now_ms = 1_970_000_000_000;
    let mut renewed = Vec::new();
    while let Some(Command::Node(NodeCommand::RenewCertificates(renewal))) =
        due(&world.state, world.now_ms).into_iter().next()
    {
        renewed.push(renewal.node.to_string());
        world.run(renewal);
    }
    assert_eq!(renewed, ["cp-1", "cp-2", "cp-3"]);
    let members = world.owed().into_iter().filter(|job| job.ends_with(".etcd")).count();
    assert_eq!(members, 3);
}
