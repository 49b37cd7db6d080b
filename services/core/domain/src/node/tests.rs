//! Commands about nodes, and where nodes go.
#![allow(clippy::unwrap_used)]

use crate::support::*;
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
