//! Who says who a cluster's users are, beside the cluster itself.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::*;
use oi_events::*;

const URL: &str = "https://id.test";

fn set(issuers: Vec<Issuer>) -> SetAuthenticationV1 {
    SetAuthenticationV1 { cluster: name("test"), issuers }
}

/// A cluster with three API servers.
fn world() -> World {
    let mut world = World::with_cluster();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    for node_name in ["cp-2", "cp-3"] {
        world.run(node("test", node_name, Role::ControlPlane));
        world.finish_all();
    }
    world
}

fn touched(world: &World) -> Vec<String> {
    let cluster = world.cluster("test");
    let all = cluster.nodes.iter().filter(|(_, n)| !n.is_ready());
    all.map(|(name, _)| name.to_string()).collect()
}

#[test]
fn api_servers_learn_of_it_one_after_the_other() {
    let mut world = world();
    let events = world.run(set(vec![issuer(URL)]));
    assert_eq!(kinds(&events), ["AuthenticationSet", "AuthenticationRolledOut"]);
    for node in ["cp-1", "cp-2", "cp-3"] {
        assert_eq!(touched(&world), [node], "one at a time");
        while touched(&world) == [node] {
            let job = world.owed().into_iter().find(|job| job.contains(node)).unwrap();
            world.succeed(&job);
        }
    }
    assert_eq!(touched(&world), [""; 0]);
    assert_eq!(world.run(set(vec![issuer(URL)])), [], "it is so already");
    world.run(set(Vec::new()));
    assert_eq!(touched(&world), ["cp-1"], "that nobody else says so is told, too");
}

#[test]
fn a_plan_says_what_is_started_anew() {
    let world = world();
    let plan = plan(&world.state, &[world.envelope(set(vec![issuer(URL)]))], world.now_ms);
    assert_eq!(restarts(&plan).into_iter().filter(|restarts| *restarts).count(), 3);
}

#[test]
fn nothing_else_brings_it_to_the_others_before_their_turn() {
    let mut world = world();
    world.run(set(vec![issuer(URL)]));
    let endpoint = Endpoint { host: "api.test".to_owned(), port: 443, forwarded: true };
    world.run(SetEndpointV1 { cluster: name("test"), endpoint: Some(endpoint) });
    let told = |world: &World, node: &str| !world.node("test", node).issuers.is_empty();
    assert_eq!(["cp-1", "cp-2", "cp-3"].map(|n| told(&world, n)), [true, false, false]);
    world.finish_all();
    assert_eq!(["cp-1", "cp-2", "cp-3"].map(|n| told(&world, n)), [true, true, true]);
}

#[test]
fn what_is_away_is_not_waited_for() {
    let mut world = world();
    let reason = "gone".to_owned();
    let away = world.node("test", "cp-2").hypervisor.clone();
    let others = |world: &World| {
        let here = |n: &&str| world.node("test", n).hypervisor != away;
        ["cp-1", "cp-2", "cp-3"].into_iter().filter(here).collect::<Vec<_>>()
    };
    let gone = Observation::HypervisorUnreachable { name: away.clone(), reason };
    world.run(ReportObservationV1 { observation: gone });
    world.run(set(vec![issuer(URL)]));
    for node in others(&world) {
        while let Some(job) = world.owed().into_iter().find(|job| job.contains(node)) {
            world.succeed(&job);
        }
        assert!(!world.node("test", node).issuers.is_empty(), "{node} is told");
    }
    assert!(world.node("test", "cp-2").issuers.is_empty(), "not what is away");
    let back = Observation::HypervisorReachable { name: away.clone(), runtime: "x".to_owned() };
    let events = world.run(ReportObservationV1 { observation: back });
    assert_eq!(kinds(&events), ["HypervisorObserved", "AuthenticationRolledOut"]);
}

#[test]
fn one_that_does_not_come_back_keeps_the_others_as_they_are() {
    let mut world = world();
    world.run(set(vec![issuer(URL)]));
    let job = world.owed().into_iter().find(|job| job.contains("cp-1")).unwrap();
    world.report(
        &job,
        JobResult::Failed {
            message: "it ends at its start".to_owned(),
            class: FailureClass::Transient,
        },
    );
    assert_eq!(touched(&world), ["cp-1"]);
}

#[test]
fn a_cluster_that_is_created_with_it_touches_nothing_twice() {
    let mut world = World::with_hypervisors();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world.run(cluster("test"));
    assert_eq!(kinds(&world.run(set(vec![issuer(URL)]))), ["AuthenticationSet"]);
    world.run(node("test", "cp-1", Role::ControlPlane));
    world.run(node("test", "lb-1", Role::ControlPlaneIngress));
    let generation = world.node("test", "cp-1").generation;
    world.finish_all();
    assert_eq!(world.node("test", "cp-1").generation, generation);
    assert_eq!(world.node("test", "cp-1").issuers, world.cluster("test").issuers);
}

#[test]
fn what_an_api_server_would_not_start_with_is_refused() {
    let mut world = world();
    let mut refused = |change: &dyn Fn(&mut Issuer)| {
        let mut wrong = issuer(URL);
        change(&mut wrong);
        assert_eq!(world.rejection(set(vec![wrong.clone()])), "invalid", "{wrong:?}");
    };
    let urls = [
        "http://id.test",
        "id.test",
        "https://",
        "https://:443",
        "https://id.test:0",
        "https://id.test:99999",
        "https://user@id.test",
        "https://id.test?a=b",
        "https://id.test#a",
        "https://id test",
        "https://[id.test",
        "https:///id.test",
        "https://kubernetes.default.svc.cluster.local",
    ];
    for url in urls {
        refused(&|i| i.url = url.to_owned());
    }
    refused(&|i| i.discovery_url = Some("http://id.test/x".to_owned()));
    refused(&|i| i.discovery_url = Some(URL.to_owned()));
    refused(&|i| i.discovery_url = Some(format!("{URL}/")));
    let block = |what: &str| format!("-----BEGIN {what}-----\nAAAA\n-----END {what}-----\n");
    let (good, key) = (block("CERTIFICATE"), block("PRIVATE KEY"));
    for pem in ["no PEM", "", &key, &format!("{good}{key}"), &good[..30]] {
        refused(&|i| i.certificate_authority = Some(pem.to_owned()));
    }
    refused(&|i| i.audiences.clear());
    refused(&|i| i.audiences = vec![String::new()]);
    refused(&|i| i.audiences = vec!["a".to_owned(), "a".to_owned()]);
    refused(&|i| i.username.claim.clear());
    refused(&|i| i.username.prefix = "system:".to_owned());
    let claim = |prefix: &str| ClaimMapping { claim: "g".to_owned(), prefix: prefix.to_owned() };
    refused(&|i| i.groups = Some(claim("system:nodes")));
    refused(&|i| i.groups = Some(ClaimMapping { claim: String::new(), ..claim("") }));
    let required = |claim: &str| (claim.to_owned(), "x".to_owned());
    refused(&|i| i.required_claims = vec![required("")]);
    refused(&|i| i.required_claims = vec![required("a"), required("a")]);
    assert_eq!(world.rejection(set(vec![issuer(URL), issuer(URL)])), "invalid");
    let many = (0..65).map(|n| issuer(&format!("https://{n}.test"))).collect();
    assert_eq!(world.rejection(set(many)), "invalid");
    world
        .run(set(vec![Issuer { groups: Some(claim("")), ..issuer("https://[fd00::1]:8443/a/b") }]));
}
