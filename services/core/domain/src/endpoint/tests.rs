//! Where clients are told to reach a cluster's API, and the ports that clusters share for it.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::*;
use oi_events::*;

fn at(host: &str, port: u16) -> Endpoint {
    Endpoint { host: host.to_owned(), port, forwarded: false }
}

fn set(cluster: &str, endpoint: Endpoint) -> SetEndpointV1 {
    SetEndpointV1 { cluster: name(cluster), endpoint: Some(endpoint) }
}

/// Two clusters that run, each with an ingress on the one public hypervisor.
fn world() -> World {
    let mut world = World::with_cluster();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world.run(cluster("other"));
    world.run(node("other", "cp-1", Role::ControlPlane));
    world.run(node("other", "lb-1", Role::ControlPlaneIngress));
    world.run(share(&[443, 6443]));
    world.finish_all();
    world
}

fn share(ports: &[u16]) -> SharePortsV1 {
    SharePortsV1 { name: name("hv-2"), ports: ports.to_vec() }
}

#[test]
fn only_ports_that_somebody_shares_are_shared() {
    let mut world = world();
    assert_eq!(world.rejection(set("test", at("api.test", 22))), "port-not-shared");
    world.run(set("test", at("api.test", 443)));
    assert_eq!(world.rejection(share(&[6443])), "port-in-use");
    assert_eq!(world.rejection(share(&[443, 443])), "invalid");
    assert_eq!(world.rejection(share(&[443, 0])), "invalid");
    assert_eq!(world.rejection(share(&[443, 30_000])), "port-taken");
    let unknown = SharePortsV1 { name: name("hv-9"), ports: vec![443] };
    assert_eq!(world.rejection(unknown), "hypervisor-unknown");
    // What is shared is not given to nodes.
    assert_eq!(kinds(&world.run(share(&[443, 30_002]))), ["PortsShared"]);
    assert_eq!(world.run(share(&[443, 30_002])), [], "it is so already");
    world.run(cluster("third"));
    world.run(node("third", "lb-1", Role::ControlPlaneIngress));
    assert_eq!(world.node("third", "lb-1").ports[&PortUse::ApiServer], 30_003);
}

fn certificate(world: &World) -> String {
    let public = &world.node("test", "cp-1").credentials["apiserver"].public;
    String::from_utf8_lossy(public).into_owned()
}

#[test]
fn a_name_is_told_to_clients_and_is_in_certificates() {
    let mut world = world();
    assert!(!certificate(&world).contains("api.test"));
    let events = world.run(set("test", at("api.test", 6443)));
    assert_eq!(kinds(&events), ["EndpointSet", "CertificateReplaced"]);
    assert!(certificate(&world).contains("api.test"));
    let told = world.state.endpoint(world.cluster("test")).unwrap();
    assert_eq!(told.to_string(), "api.test:6443");
    assert!(world.owed().iter().any(|job| job.ends_with(".ingress")), "{:?}", world.owed());
    world.finish_all();
    assert_eq!(world.run(set("test", at("api.test", 6443))), [], "it is so already");
    let events = world.run(set("test", at("api.test", 443)));
    assert_eq!(kinds(&events), ["EndpointSet"], "the name is in certificates already");
    let none = SetEndpointV1 { cluster: name("test"), endpoint: None };
    world.run(none);
    let told = world.state.endpoint(world.cluster("test")).unwrap();
    assert_eq!(told.to_string(), "192.0.2.3:30000", "its oldest ingress");
}

#[test]
fn clusters_share_a_port_by_name_and_one_has_those_without() {
    let mut world = world();
    world.run(set("test", at("api.test", 6443)));
    assert_eq!(world.rejection(set("other", at("api.test", 6443))), "endpoint-taken");
    world.run(set("other", at("203.0.113.9", 6443)));
    let routes = world.state.routes(&name("hv-2"));
    let names: Vec<_> = routes.iter().map(|r| (r.name.as_str(), r.cluster.as_str())).collect();
    assert_eq!(names, [("203.0.113.9", "other"), ("api.test", "test")]);
    assert_eq!(world.rejection(set("test", at("203.0.113.8", 6443))), "port-shared");
    let forwarded = Endpoint { forwarded: true, ..at("203.0.113.8", 6443) };
    world.run(set("test", forwarded));
    assert_eq!(world.state.routes(&name("hv-2")).len(), 1, "what is forwarded opens no port");
    world.run(HibernateClusterV1 { name: name("other"), hibernated: true });
    assert!(world.state.routes(&name("hv-2")).is_empty(), "nothing leads to what sleeps");
}

#[test]
fn a_shared_port_is_never_a_nodes_own() {
    let mut world = world();
    // The ingresses have 30000 and 30001.
    assert_eq!(world.rejection(set("test", at("api.test", 30_001))), "port-taken");
    world.run(set("test", at("api.test", 30_002)));
    world.run(cluster("third"));
    world.run(node("third", "cp-1", Role::ControlPlane));
    world.run(node("third", "lb-1", Role::ControlPlaneIngress));
    let ports = &world.node("third", "lb-1").ports;
    assert_eq!(ports[&PortUse::ApiServer], 30_003, "the next but one");
    world.run(cluster("before"));
    world.run(set("before", at("before.test", 30_004)));
    world.run(node("before", "lb-1", Role::ControlPlaneIngress));
    let ports = &world.node("before", "lb-1").ports;
    assert_eq!(ports[&PortUse::ApiServer], 30_005, "nor one of a cluster's own ingress");
    world.run(SetEndpointV1 { cluster: name("test"), endpoint: None });
    world.run(cluster("fourth"));
    world.run(node("fourth", "lb-1", Role::ControlPlaneIngress));
    assert_eq!(world.node("fourth", "lb-1").ports[&PortUse::ApiServer], 30_002, "free again");
    let refused = world.rejection(set("test", at("api.test", 30_002)));
    assert_eq!(refused, "port-taken");
}

#[test]
fn an_ingress_goes_only_where_the_port_of_its_endpoint_is_free() {
    let mut world = world();
    world.run(set("other", at("203.0.113.9", 6443)));
    world.run(cluster("third"));
    world.run(set("third", at("203.0.113.7", 6443)));
    let add = node("third", "lb-1", Role::ControlPlaneIngress);
    assert_eq!(world.rejection(add.clone()), "no-hypervisor");
    world.run(set("third", at("third.test", 6443)));
    world.run(add);
}

#[test]
fn pods_find_an_address_and_not_a_name() {
    let mut world = world();
    let addons = Addons { cni: Cni::Flannel, kube_proxy: true, dns: true };
    world.run(SetAddonsV1 { cluster: name("test"), addons });
    world.finish_all();
    let told = |world: &World| world.state.advertised_endpoints(world.cluster("test"));
    // API servers of before tell it themselves; a new one makes no difference to that.
    assert_eq!(told(&world), None);
    world.run(ReplaceNodeV1 { cluster: name("test"), name: name("cp-1") });
    world.finish_all();
    assert_eq!(told(&world), Some(vec!["192.0.2.3:30000".parse().unwrap()]));
    world.run(set("test", at("api.test", 6443)));
    assert_eq!(told(&world), Some(vec!["192.0.2.3:30000".parse().unwrap()]));
    world.run(set("test", at("203.0.113.9", 6443)));
    assert_eq!(told(&world), Some(vec!["203.0.113.9:6443".parse().unwrap()]));
    assert!(!world.cluster("test").addons.as_ref().unwrap().done, "to be told inside of it");
}

#[test]
fn what_is_no_endpoint_is_refused() {
    let mut world = world();
    let long = "a".repeat(64);
    let wrong = [
        ("", 6443),
        ("API.test", 6443),
        ("*.test", 6443),
        ("api test", 6443),
        ("1.2.3", 6443),
        ("300.1.1.1", 6443),
        (long.as_str(), 6443),
        ("api.test", 0),
        ("0.0.0.0", 6443),
        ("224.0.0.1", 6443),
        ("FD00::1", 6443),
        ("fd00::1", 6443),
        ("127.0.0.1", 6443),
        ("169.254.1.1", 6443),
        // Of a hypervisor where it has no ingress.
        ("192.0.2.1", 6443),
    ];
    for (host, port) in wrong {
        assert_eq!(world.rejection(set("test", at(host, port))), "invalid", "{host}:{port}");
    }
    assert_eq!(world.rejection(set("test", at("10.96.0.9", 6443))), "overlap");
    assert_eq!(world.rejection(set("none", at("api.test", 6443))), "cluster-unknown");
    assert_eq!(at("fd00::1", 443).to_string(), "[fd00::1]:443");
}

fn sans(names: &[&str]) -> SetExtraSansV1 {
    let extra_sans = names.iter().map(|n| (*n).to_owned()).collect();
    SetExtraSansV1 { cluster: name("test"), extra_sans }
}

#[test]
fn further_names_come_and_go_with_serving_certificates_alone() {
    let mut world = world();
    let events = world.run(sans(&["api.example.org", "198.51.100.1"]));
    assert_eq!(kinds(&events), ["ExtraSansSet", "CertificateReplaced"]);
    assert!(certificate(&world).contains("api.example.org"));
    assert!(world.owed().iter().all(|job| job.contains(".cp-1.")), "{:?}", world.owed());
    world.finish_all();
    let same = sans(&["198.51.100.1", "api.example.org"]);
    assert_eq!(world.run(same), [], "in whatever order");
    // A node that comes later has them, too.
    world.run(node("test", "cp-2", Role::ControlPlane));
    let public = &world.node("test", "cp-2").credentials["apiserver"].public;
    assert!(String::from_utf8_lossy(public).contains("api.example.org"));
    world.finish_all();
    let events = world.run(sans(&[]));
    let expected = ["ExtraSansSet", "CertificateReplaced", "CertificateReplaced"];
    assert_eq!(kinds(&events), expected, "a name that is gone is in no certificate");
    assert!(!certificate(&world).contains("api.example.org"));
}

#[test]
fn further_names_are_checked_as_those_of_a_new_cluster() {
    let mut world = world();
    let many: Vec<String> = (0..101).map(|n| format!("api-{n}.example.org")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(world.rejection(sans(&many)), "invalid");
    world.run(sans(&many[..100]));
    for wrong in ["", "API.test", "api test", "300.1.1.1"] {
        assert_eq!(world.rejection(sans(&[wrong])), "invalid", "{wrong}");
    }
    let unknown = SetExtraSansV1 { cluster: name("none"), extra_sans: Vec::new() };
    assert_eq!(world.rejection(unknown), "cluster-unknown");
    world.finish_all();
    world.run(HibernateClusterV1 { name: name("test"), hibernated: true });
    assert_eq!(world.rejection(sans(&[])), "cluster-hibernated");
}
