//! Commands about hypervisors, and what is seen of them.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use oi_events::*;

#[test]
fn registering_owes_a_look_and_again_changes_nothing() {
    let mut world = World::new();
    assert_eq!(kinds(&world.run(hypervisor(0))), ["HypervisorRegistered"]);
    assert_eq!(world.owed(), ["hypervisor.hv-0.1.probe"]);
    assert_eq!(world.run(hypervisor(0)), []);
    world.finish_all();
    assert!(world.state.hypervisors[&name::<HypervisorName>("hv-0")].prepared);
}

#[test]
fn what_cannot_work_is_refused() {
    let mut world = World::with_hypervisors();
    let mut refused = |change: &dyn Fn(&mut RegisterHypervisorV1)| {
        let mut command = hypervisor(7);
        change(&mut command);
        world.rejection(command)
    };
    let invalid = "hypervisor-invalid";
    assert_eq!(refused(&|c| c.name = name("hv-0")), "hypervisor-exists");
    for endpoint in [
        "",
        "/run/x.sock",
        "unix://",
        "unix://run/x",
        "unix:///a/../b",
        "http://a:1",
        "tcp://a",
        "tcp://:1",
        "tcp://a:0",
    ] {
        assert_eq!(refused(&|c| c.cri_endpoint = endpoint.to_owned()), invalid, "{endpoint:?}");
    }
    assert_eq!(refused(&|c| c.cri_endpoint = "tcp://a:1".to_owned()), invalid, "without TLS");
    assert_eq!(refused(&|c| c.cri_endpoint = "unix:///run/hv-0.sock".to_owned()), invalid);
    assert_eq!(refused(&|c| c.port_low = 0), invalid);
    assert_eq!(refused(&|c| c.port_high = 29_999), invalid);
    assert_eq!(refused(&|c| c.data_dir = "var/lib".to_owned()), invalid);
    assert_eq!(refused(&|c| c.address = "0.0.0.0".parse().unwrap()), invalid);
}

#[test]
fn cordoning_is_said_once() {
    let mut world = World::with_hypervisors();
    let cordon = |cordoned| CordonHypervisorV1 { name: name("hv-0"), cordoned };
    assert_eq!(world.run(cordon(false)), []);
    assert_eq!(kinds(&world.run(cordon(true))), ["HypervisorCordoned"]);
    assert_eq!(world.run(cordon(true)), []);
    let unknown = CordonHypervisorV1 { name: name("hv-9"), cordoned: true };
    assert_eq!(world.rejection(unknown), "hypervisor-unknown");
}

#[test]
fn only_what_changes_the_picture_becomes_an_event() {
    let mut world = World::with_hypervisors();
    let seen = |up: bool| {
        let name = name("hv-0");
        ReportObservationV1 {
            observation: if up {
                Observation::HypervisorReachable { name, runtime: "containerd".to_owned() }
            } else {
                Observation::HypervisorUnreachable { name, reason: "refused".to_owned() }
            },
        }
    };
    assert_eq!(world.run(seen(true)), []);
    assert_eq!(kinds(&world.run(seen(false))), ["HypervisorObserved"]);
    assert_eq!(world.run(seen(false)), []);
    assert_eq!(kinds(&world.run(seen(true))), ["HypervisorObserved"]);
}

#[test]
fn a_restart_is_counted_for_the_present_generation_only() {
    let mut world = World::with_cluster();
    let generation = world.node("test", "cp-1").generation;
    let restarted = |generation| ReportObservationV1 {
        observation: Observation::PodRestarted {
            cluster: name("test"),
            node: name("cp-1"),
            generation,
            what: "etcd/etcd".to_owned(),
            reason: "exited".to_owned(),
        },
    };
    assert_eq!(kinds(&world.run(restarted(generation))), ["PodRestarted"]);
    assert_eq!(world.run(restarted(Generation(generation.0 - 1))), []);
    assert_eq!(world.node("test", "cp-1").restarts, 1);
}

#[test]
fn one_with_nodes_cannot_be_forgotten() {
    let mut world = World::with_cluster();
    let forget = |n: &str| UnregisterHypervisorV1 { name: name(n) };
    assert_eq!(world.rejection(forget("hv-0")), "hypervisor-in-use");
    assert_eq!(world.rejection(forget("hv-9")), "hypervisor-unknown");
    assert_eq!(kinds(&world.run(forget("hv-1"))), ["HypervisorUnregistered"]);
    world.run(hypervisor(1));
    assert_eq!(world.owed().len(), 1, "a new life is looked at anew");
}
