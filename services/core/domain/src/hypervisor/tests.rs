//! Commands about hypervisors, and what is seen of them.
#![allow(clippy::unwrap_used)]

use crate::FEATURE_LEVEL;
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
    for address in ["0.0.0.0", "224.0.0.1"] {
        assert_eq!(refused(&|c| c.address = address.parse().unwrap()), invalid, "{address}");
    }
}

#[test]
fn an_address_that_is_of_no_use_is_refused_from_level_4_on() {
    let older = |level| {
        let mut world = World::with_cluster();
        world.run(RaiseFeatureLevelV1 { level });
        world
    };
    for address in ["127.0.0.1", "169.254.0.1", "::1", "fe80::1", "10.244.7.7"] {
        let mut command = hypervisor(7);
        command.address = address.parse().unwrap();
        let accepted = older(3).run(command.clone());
        assert_eq!(kinds(&accepted), ["HypervisorRegistered"], "{address}: as it was decided");
        let refused = older(4).rejection(command);
        assert!(["hypervisor-invalid", "overlap"].contains(&refused), "{address}");
    }
}

#[test]
fn one_in_a_clusters_ranges_is_refused_as_such_a_cluster_is() {
    let mut world = World::with_tunnel();
    for address in ["10.244.7.7", "10.96.0.9", "10.254.0.9"] {
        let mut command = hypervisor(7);
        command.address = address.parse().unwrap();
        assert_eq!(world.rejection(command), "overlap", "{address}");
    }
    let before = hypervisor(1);
    let moved = RegisterHypervisorV1 { address: "10.244.7.7".parse().unwrap(), ..before };
    assert_eq!(world.rejection(UpdateHypervisorV1 { hypervisor: moved }), "overlap");
}

/// A world at the newest level, in which hv-0 carries a control plane and hv-2 an ingress.
fn newest() -> World {
    let mut world = World::with_cluster();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world
}

fn updated(n: u8, change: impl FnOnce(&mut RegisterHypervisorV1)) -> UpdateHypervisorV1 {
    let mut hypervisor = hypervisor(n);
    change(&mut hypervisor);
    UpdateHypervisorV1 { hypervisor }
}

#[test]
fn what_no_node_notices_is_changed_under_nodes() {
    let mut world = newest();
    let node = world.node("test", "cp-1").clone();
    let wider = updated(0, |h| (h.port_high, h.max_nodes) = (30_019, Some(1)));
    assert_eq!(kinds(&world.run(wider.clone())), ["HypervisorUpdated"]);
    assert_eq!(world.run(wider), [], "it is so already");
    assert_eq!(world.owed(), [] as [String; 0], "nobody has to look at it");
    let h = &world.state.hypervisors[&name::<HypervisorName>("hv-0")];
    assert_eq!((h.spec.port_high, h.spec.max_nodes), (30_019, Some(1)));
    // Another way to it is tried.
    let tls = TlsFiles {
        ca_file: "/ca".to_owned(),
        certificate_file: "/crt".to_owned(),
        key_file: "/key".to_owned(),
    };
    world.run(updated(0, |h| {
        (h.cri_endpoint, h.tls) = ("tcp://192.0.2.1:1".to_owned(), Some(tls));
    }));
    let owed = world.owed();
    assert!(owed.len() == 1 && owed[0].starts_with("hypervisor.hv-0."), "{owed:?}");
    world.finish_all();
    assert_eq!(*world.node("test", "cp-1"), node);
}

#[test]
fn what_nodes_depend_on_is_changed_once_they_have_moved() {
    let mut world = newest();
    let address = || updated(0, |h| h.address = "192.0.2.99".parse().unwrap());
    let directory = || updated(0, |h| h.data_dir = "/srv".to_owned());
    for command in [address(), directory(), updated(0, |h| h.public = true)] {
        let refused = world.try_run(command).unwrap_err().to_string();
        assert!(refused.contains("1 node(s) there depend on"), "{refused}");
        assert!(refused.contains("oi node replace"), "{refused}");
    }
    let narrow = updated(0, |h| h.port_low = 30_001);
    let refused = world.try_run(narrow.clone()).unwrap_err().to_string();
    assert!(refused.contains("node cp-1 of cluster test has port 30000"), "{refused}");
    world.run(CordonHypervisorV1 { name: name("hv-0"), cordoned: true });
    world.run(ReplaceNodeV1 { cluster: name("test"), name: name("cp-1") });
    world.finish_all();
    world.run(address());
    world.run(narrow);
    world.run(directory());
    assert_eq!(world.rejection(updated(9, |_| ())), "hypervisor-unknown");
    assert_eq!(world.rejection(updated(0, |h| h.port_low = 0)), "hypervisor-invalid");
    let taken = updated(0, |h| h.cri_endpoint = "unix:///run/hv-1.sock".to_owned());
    assert_eq!(world.rejection(taken), "hypervisor-invalid", "of hv-1");
}

#[test]
fn one_with_an_address_of_then_can_be_changed_as_long_as_that_stays() {
    let mut world = World::with_cluster();
    for (n, address) in [(7, "127.0.0.1"), (8, "10.244.7.7")] {
        world.run(RegisterHypervisorV1 { address: address.parse().unwrap(), ..hypervisor(n) });
    }
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    for (n, address) in [(7, "127.0.0.1"), (8, "10.244.7.7")] {
        let wider = RegisterHypervisorV1 {
            address: address.parse().unwrap(),
            port_high: 40_000,
            ..hypervisor(n)
        };
        let command = UpdateHypervisorV1 { hypervisor: wider.clone() };
        assert_eq!(kinds(&world.run(command)), ["HypervisorUpdated"], "{address}");
        let worse = RegisterHypervisorV1 { address: "127.0.0.2".parse().unwrap(), ..wider };
        let command = UpdateHypervisorV1 { hypervisor: worse };
        assert_eq!(world.rejection(command), "hypervisor-invalid");
    }
}

#[test]
fn a_range_keeps_the_ports_that_clusters_share() {
    let mut world = newest();
    let endpoint = Some(Endpoint { host: "api.test".to_owned(), port: 30_005, forwarded: false });
    world.run(SetEndpointV1 { cluster: name("test"), endpoint });
    let narrow = updated(2, |h| h.port_high = 30_004);
    assert_eq!(world.rejection(narrow.clone()), "port-in-use");
    world.run(SharePortsV1 { name: name("hv-2"), ports: vec![30_005] });
    world.run(narrow);
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

#[test]
fn ports_on_which_something_else_listens_are_not_given_out() {
    let mut world = World::with_hypervisors();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    let all: Vec<_> = world.state.hypervisors.values().cloned().collect();
    let held = all[0].spec.port_low;
    for h in all {
        let strays = StraysV1 { ports: vec![held], ..StraysV1::default() };
        let (name, generation) = (h.spec.name.clone(), h.generation);
        let seen = |generation| ReportObservationV1 {
            observation: Observation::StraysSeen {
                name: name.clone(),
                generation,
                strays: strays.clone(),
            },
        };
        assert_eq!(world.run(seen(Generation(generation.0 + 1))), [], "of another life");
        assert_eq!(kinds(&world.run(seen(generation))), ["StraysSeen"]);
        assert_eq!(world.run(seen(generation)), []);
    }
    world.run(cluster("test"));
    world.run(node("test", "cp-1", Role::ControlPlane));
    let ports: Vec<u16> = world.node("test", "cp-1").ports.values().copied().collect();
    assert!(!ports.is_empty() && !ports.contains(&held), "{ports:?}");
}
