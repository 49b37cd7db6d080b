//! The tunnel between a cluster's worker nodes and its control plane.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::*;
use oi_events::*;
use std::net::Ipv4Addr;

fn enable(cidr: &str) -> EnableTunnelV1 {
    EnableTunnelV1 { cluster: name("test"), cidr: cidr.to_owned() }
}

fn gone(worker: &str, key: u8) -> ReportObservationV1 {
    let (cluster, worker) = (name("test"), worker.to_owned());
    let observation = Observation::WorkerGone { cluster, worker, public_key: [key; 32] };
    ReportObservationV1 { observation }
}

fn needed(objects: &[&str]) -> ReportObservationV1 {
    let objects = objects.iter().map(|o| (*o).to_owned()).collect();
    let observation = Observation::TunnelNeeded { cluster: name("test"), objects };
    ReportObservationV1 { observation }
}

/// A cluster for worker nodes that runs, without a tunnel.
fn world() -> World {
    let mut world = World::with_cluster();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    let addons = Addons { cni: Cni::Flannel, kube_proxy: true, dns: true };
    world.run(SetAddonsV1 { cluster: name("test"), addons });
    world.finish_all();
    world
}

fn peers(world: &World) -> Vec<(TunnelPeer, Ipv4Addr)> {
    let tunnel = world.cluster("test").tunnel.clone().unwrap();
    tunnel.peers.into_iter().map(|(who, peer)| (who, peer.address)).collect()
}

fn worker(name: &str) -> TunnelPeer {
    TunnelPeer::Worker(name.to_owned())
}

#[test]
fn a_running_cluster_gets_a_hub_and_its_api_servers_get_links() {
    let mut world = world();
    let events = world.run(enable("10.254.0.0/24"));
    assert_eq!(kinds(&events), ["TunnelEnabled", "TunnelPeerAdded"]);
    assert_eq!(peers(&world), [(TunnelPeer::ControlPlane(name("cp-1")), [10, 254, 0, 2].into())]);
    let owed = world.owed();
    assert!(owed.iter().any(|job| job.ends_with(".ingress")), "the hub is to run: {owed:?}");
    assert!(owed.iter().any(|job| job.ends_with(".control-plane")), "and the link: {owed:?}");
    world.finish_all();
    let hub = world.state.tunnel_hub(world.cluster("test")).unwrap();
    let port = world.node("test", "lb-1").ports[&PortUse::Wireguard];
    assert_eq!(hub.port(), port);
    assert_ne!(port, world.node("test", "lb-1").ports[&PortUse::ApiServer]);
    assert_eq!(world.run(enable("10.254.0.0/24")), [], "it is so already");
    // What comes later has its part at once.
    world.run(node("test", "lb-2", Role::ControlPlaneIngress));
    assert!(world.node("test", "lb-2").ports.contains_key(&PortUse::Wireguard));
    let events = world.run(node("test", "cp-2", Role::ControlPlane));
    assert!(kinds(&events).contains(&"TunnelPeerAdded"), "{events:?}");
    assert_eq!(world.state.tunnel_hub(world.cluster("test")), Some(hub), "all meet at one hub");
}

#[test]
fn workers_get_the_lowest_free_address_once() {
    let mut world = world();
    world.run(enable("10.254.0.0/24"));
    world.finish_all();
    assert_eq!(kinds(&world.run(link("one", 1))), ["TunnelPeerAdded"]);
    assert!(world.owed().iter().any(|job| job.ends_with(".configure")), "it is to be told");
    world.run(link("two", 2));
    assert!(peers(&world).contains(&(worker("one"), [10, 254, 0, 3].into())));
    assert!(peers(&world).contains(&(worker("two"), [10, 254, 0, 4].into())));
    assert_eq!(world.run(link("one", 1)), [], "it has one");
    assert_eq!(world.run(link("one", 9)), [], "under another key it is somebody else");
    assert_eq!(world.run(link("nine", 1)), [], "a key is one machine's");
    assert_eq!(world.run(gone("one", 9)), [], "of another machine of that name");
    assert_eq!(kinds(&world.run(gone("one", 1))), ["TunnelPeerRemoved"]);
    assert_eq!(world.run(gone("one", 1)), []);
    world.run(link("three", 3));
    assert!(peers(&world).contains(&(worker("three"), [10, 254, 0, 3].into())), "used again");
}

#[test]
fn there_are_as_many_links_as_addresses() {
    let mut world = world();
    world.run(enable("10.254.0.0/28"));
    for n in 0..20 {
        world.run(link(&format!("w{n}"), n + 1));
    }
    // 14 of them are hosts, one of which is left to the network.
    assert_eq!(peers(&world).len(), 13);
}

#[test]
fn what_cannot_be_is_refused() {
    let mut world = world();
    for bad in ["10.254.0.0", "fd00::/64", "10.254.0.0/29", "10.254.0.1/24", "10.0.0.0/7"] {
        assert!(world.try_run(enable(bad)).is_err(), "{bad}");
    }
    for taken in ["10.244.3.0/24", "10.96.0.0/16"] {
        assert!(matches!(world.try_run(enable(taken)), Err(Rejection::Overlap { .. })), "{taken}");
    }
    world.run(enable("10.254.0.0/24"));
    assert!(world.try_run(enable("10.253.0.0/24")).is_err(), "it stays what it is");
    let mut without = World::with_cluster();
    without.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    let refused = without.try_run(enable("10.254.0.0/24"));
    assert!(matches!(refused, Err(Rejection::NotForWorkers(_))));
    assert_eq!(without.run(link("one", 1)), [], "nobody has asked for a tunnel");
}

#[test]
fn what_needs_a_tunnel_is_told_once_for_each_change_until_there_is_one() {
    const METRICS: &str = "APIService v1beta1.metrics.k8s.io";
    const HOOK: &str = "ValidatingWebhookConfiguration policy";
    let mut world = world();
    assert_eq!(world.run(needed(&[])), [], "nothing does");
    let events = world.run(needed(&[METRICS]));
    assert_eq!(kinds(&events), ["TunnelNeeded"]);
    let told = describe(&events[0]).summary;
    assert!(told.contains(METRICS) && told.contains("oi cluster tunnel test --cidr"), "{told}");
    assert_eq!(world.run(needed(&[METRICS])), [], "it was told");
    world.run(needed(&[HOOK, METRICS]));
    assert_eq!(world.run(needed(&[METRICS, HOOK, HOOK])), [], "the same set");
    assert_eq!(world.cluster("test").needs_tunnel, [METRICS, HOOK]);
    assert_eq!(kinds(&world.run(needed(&[]))), ["TunnelNeeded"], "they are gone");
    assert_eq!(world.cluster("test").needs_tunnel, Vec::<String>::new());
    world.run(needed(&[METRICS]));
    world.run(enable("10.254.0.0/24"));
    assert_eq!(world.cluster("test").needs_tunnel, Vec::<String>::new(), "it works now");
    assert_eq!(world.run(needed(&[METRICS])), [], "seen before");
}

#[test]
fn no_more_than_twenty_objects_that_need_a_tunnel_are_recorded() {
    let mut world = world();
    let many: Vec<String> = (0..100).map(|n| format!("APIService v{n:03}.a.test")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(kinds(&world.run(needed(&many))), ["TunnelNeeded"]);
    assert_eq!(world.cluster("test").needs_tunnel, many[..20]);
    assert_eq!(world.run(needed(&many[..90])), [], "the same twenty");
}

#[test]
fn what_needs_a_tunnel_is_not_told_to_servers_that_cannot_read_it() {
    let mut world = World::with_cluster();
    let refused = world.try_run(needed(&["APIService v1.a.test"]));
    assert!(matches!(refused, Err(Rejection::FeatureLevelTooLow { needed: 4, .. })), "{refused:?}");
}

#[test]
fn a_node_that_goes_has_no_link() {
    let mut world = world();
    world.run(node("test", "cp-2", Role::ControlPlane));
    world.finish_all();
    world.run(enable("10.254.0.0/24"));
    world.finish_all();
    assert_eq!(peers(&world).len(), 2);
    world.run(RemoveNodeV1 { cluster: name("test"), name: name("cp-2") });
    world.finish_all();
    assert_eq!(peers(&world), [(TunnelPeer::ControlPlane(name("cp-1")), [10, 254, 0, 2].into())]);
}

#[test]
fn peers_are_text_in_json_and_themselves_in_stored_bytes() {
    let mut world = World::with_tunnel();
    world.run(link("one", 1));
    let tunnel = world.cluster("test").tunnel.clone().unwrap();
    let json = serde_json::to_value(&tunnel).unwrap();
    let peers: Vec<_> = json["peers"].as_object().unwrap().keys().collect();
    assert_eq!(peers, ["controlplane/cp-1", "worker/one"]);
    assert_eq!(serde_json::from_value::<Tunnel>(json).unwrap(), tunnel);
    let bytes = to_bytes(&tunnel).unwrap();
    assert_eq!(bytes, to_bytes(&(&tunnel.cidr, &tunnel.peers)).unwrap());
    assert_eq!(from_bytes_strict::<Tunnel>(&bytes).unwrap(), tunnel);
    for bad in ["one", "worker", "controlplane/", "hypervisor/one"] {
        assert!(bad.parse::<TunnelPeer>().is_err(), "{bad}");
    }
}

#[test]
fn links_move_to_the_ingress_that_runs() {
    let mut world = world();
    world.run(enable("10.254.0.0/24"));
    world.run(node("test", "lb-2", Role::ControlPlaneIngress));
    world.finish_all();
    let before = world.state.tunnel_hub(world.cluster("test")).unwrap();
    world.run(RemoveNodeV1 { cluster: name("test"), name: name("lb-1") });
    let after = world.state.tunnel_hub(world.cluster("test")).unwrap();
    assert_ne!(before, after);
    assert!(world.owed().iter().any(|job| job.ends_with(".configure")), "all are told");
}

#[test]
fn a_hub_takes_as_many_links_as_kubernetes_has_nodes() {
    let mut world = world();
    world.run(enable("10.254.0.0/16"));
    let cluster = world.state.clusters.get_mut(&name::<ClusterName>("test")).unwrap();
    let tunnel = std::sync::Arc::make_mut(cluster).tunnel.as_mut().unwrap();
    for n in tunnel.peers.len()..4999 {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 254, 1, 0).to_bits() + n as u32);
        let peer = Peer { public_key: None, address, since_ms: 0 };
        tunnel.peers.insert(worker(&format!("of-before-{n}")), peer);
    }
    assert_eq!(kinds(&world.run(link("last", 1))), ["TunnelPeerAdded"]);
    assert_eq!(world.run(link("too-many", 2)), [], "no more");
    assert_eq!(kinds(&world.run(gone("last", 1))), ["TunnelPeerRemoved"]);
    assert_eq!(kinds(&world.run(link("too-many", 2))), ["TunnelPeerAdded"], "there is room again");
}
