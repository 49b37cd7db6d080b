//! What may be written while servers of an older release still run.
#![allow(clippy::unwrap_used)]

use crate::decide::decide_command;
use crate::support::*;
use crate::*;
use oi_events::*;

#[test]
fn what_is_new_waits_until_all_servers_are() {
    let mut world = World::with_cluster();
    assert_eq!(world.state.level(), 1, "a log of the first release");
    world.run(BackupClusterV1 { name: name("test") });
    let cancel = CancelJobV1 { job: JobId(world.owed().remove(0)) };
    assert_eq!(world.rejection(cancel.clone()), "feature-level-too-low");
    assert_eq!(
        world.rejection(RaiseFeatureLevelV1 { level: FEATURE_LEVEL + 1 }),
        "feature-level-unknown"
    );
    assert_eq!(
        kinds(&world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL })),
        ["FeatureLevelRaised"]
    );
    assert_eq!(world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL }), [], "once");
    assert_eq!(world.run(RaiseFeatureLevelV1 { level: 1 }), [], "never back");
    assert_eq!(world.state.level(), FEATURE_LEVEL);
    world.run(cancel);
}

/// Whether a commit of these events for the command verifies.
fn verifies(world: &World, command: impl Into<Command>, events: Vec<Event>) -> bool {
    let mut world = world.clone();
    let before = world.state.clone();
    let envelope = world.envelope(command);
    world.commit(envelope, events);
    recheck(&before, world.log.last().unwrap()).is_ok()
}

#[test]
fn a_log_of_a_lower_level_verifies_with_what_limits_refuse_today() {
    let mut world = World::with_cluster();
    world.run(RaiseFeatureLevelV1 { level: 3 });
    let mut newest = world.clone();
    newest.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    let with = |change: &dyn Fn(&mut ClusterSpec)| {
        let mut create = cluster("other");
        change(&mut create.spec);
        create
    };
    let names = |s: &mut ClusterSpec| {
        s.extra_sans = (0..101).map(|n| format!("api-{n}.example.org")).collect();
    };
    let recorded = [
        with(&names),
        with(&|s| s.extra_sans = vec!["300.1.1.1".to_owned()]),
        with(&|s| s.extra_sans = vec![["a"; 120].join("."); 20]),
        with(&|s| s.dns_domain = "10.0.0.1".to_owned()),
        with(&|s| s.dns_domain = format!("{}.local", ["a"; 120].join("."))),
    ];
    for create in recorded {
        let events = world.decide(&world.envelope(cluster("other"))).unwrap();
        assert!(verifies(&world, create.clone(), events.clone()), "{:?}", create.spec);
        assert!(!verifies(&newest, create.clone(), events), "{:?}", create.spec);
    }
    let wrong = with(&|s| s.dns_domain = "not a name".to_owned());
    let events = world.decide(&world.envelope(cluster("other"))).unwrap();
    assert!(!verifies(&world, wrong, events), "no level took it");
}

#[test]
fn members_of_clusters_made_from_level_4_on_take_only_members_for_peers() {
    let mut world = World::with_cluster();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world.run(cluster("other"));
    let named = |of: &str| world.state.clusters[&name::<ClusterName>(of)].named_peers;
    assert!(named("other"));
    assert!(!named("test"), "those that run are not restarted");
}

#[test]
fn a_log_of_a_lower_level_keeps_long_texts_and_join_tokens() {
    let mut world = World::with_cluster();
    world.run(RaiseFeatureLevelV1 { level: 3 });
    let begin = world.log.len();
    let before = world.state.clone();
    world.run(hypervisor(5));
    let job = world.owed().into_iter().find(|job| job.contains("hv-5")).unwrap();
    let message = "x".repeat(LONGEST_TEXT + 1);
    let class = FailureClass::Permanent;
    world.report(&job, JobResult::Failed { message: message.clone(), class });
    assert_eq!(world.state.failures[&JobId(job)].message, message);
    let addons = Addons { cni: Cni::Flannel, kube_proxy: true, dns: true };
    world.run(SetAddonsV1 { cluster: name("test"), addons });
    // As the first version of the command is read today: it was admitted by level 3.
    let (cluster, end) = (name("test"), TokenEnd::At(world.now_ms + 3_600_000));
    let token = world.envelope(CreateJoinTokenV2 { cluster, end, description: "x".repeat(200) });
    let mint = PlainMint(world.state.position);
    let context = Context { now_ms: world.now_ms, mint: &mint, begins: None };
    let events = decide_command(&world.state, token.id, &token.command, &context).unwrap();
    assert_eq!(kinds(&events), ["JoinTokenCreated"]);
    world.commit(token, events);
    let mut state = before;
    for recorded in &world.log[begin..] {
        recheck(&state, recorded).unwrap();
        apply(&mut state, recorded);
    }
    assert_eq!(state, world.state);
}
