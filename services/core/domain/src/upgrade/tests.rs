//! Upgrades: their order, their pauses, the way back.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::tests::scenario::*;
use crate::{FEATURE_LEVEL, due};
use oi_events::*;

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

fn safe(mut world: World) -> World {
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world
}

/// A cluster of one node, of the minor release before.
fn of_minor_before() -> World {
    let mut world = World::with_hypervisors();
    world.run(cluster_of("test", "v1.35.4"));
    world.run(node("test", "cp-1", Role::ControlPlane));
    world.run(node("test", "lb-1", Role::ControlPlaneIngress));
    world.finish_all();
    world
}

/// The same on its way to the next one, as soon as its images are there.
fn begun_minor() -> World {
    let mut world = safe(of_minor_before());
    world.run(upgrade("v1.36.3"));
    let images = world.owed().remove(0);
    world.succeed(&images);
    world
}

fn failed(class: FailureClass) -> JobResult {
    JobResult::Failed { message: "v1.36.99: not found".to_owned(), class }
}

#[test]
fn an_upgrade_begins_only_where_its_images_are() {
    let mut world = safe(three());
    assert_eq!(kinds(&world.run(upgrade("v1.36.4"))), ["UpgradeStarted"]);
    let images = world.owed();
    assert_eq!(images.len(), 3, "{images:?}");
    assert_eq!(kinds(&world.succeed(&images[0])), ["JobSucceeded"]);
    assert_eq!(kinds(&world.succeed(&images[1])), ["JobSucceeded"]);
    let events = world.succeed(&images[2]);
    assert_eq!(kinds(&events), ["JobSucceeded", "ComponentVersionChanged"]);
    assert_eq!(replaced(&mut world, events).len(), 9);
    assert_eq!(world.cluster("test").spec.kubernetes_version, name("v1.36.4"));
}

#[test]
fn an_upgrade_to_images_that_are_not_there_ends_by_itself() {
    for class in [FailureClass::Permanent, FailureClass::Transient] {
        let mut world = safe(three());
        world.run(upgrade("v1.36.99"));
        let job = world.owed().remove(1);
        let mut events = world.report(&job, failed(class));
        while class == FailureClass::Transient && world.cluster("test").upgrade.is_some() {
            assert_eq!(kinds(&events), ["JobFailed"]);
            world.run(RetryJobV1 { job: JobId(job.clone()) });
            events = world.report(&job, failed(class));
        }
        assert_eq!(kinds(&events)[1..], ["UpgradeChanged", "UpgradeEnded"], "{class:?}");
        assert_eq!(world.cluster("test").spec.kubernetes_version, name("v1.36.3"));
        assert_eq!(world.owed(), [] as [String; 0]);
        assert!(world.state.failures.is_empty(), "{:?}", world.state.failures);
        world.run(upgrade("v1.36.4"));
    }
}

#[test]
fn a_component_that_cannot_start_goes_back_at_once() {
    let mut world = safe(three());
    world.run(upgrade("v1.36.4"));
    for _ in 0..3 {
        let job = world.owed().remove(0);
        world.succeed(&job);
    }
    let first = world.owed().remove(0);
    world.succeed(&first);
    let stuck = world.owed().remove(0);
    world.report(&stuck, failed(FailureClass::Transient));
    let change = |change| ChangeUpgradeV1 { name: name("test"), change };
    let events = world.run(change(UpgradeChange::RollBack));
    assert_eq!(kinds(&events), ["UpgradeChanged", "ComponentVersionChanged"]);
    assert_eq!(world.node("test", "cp-2").versions.api_server, name("v1.36.3"));
    assert_eq!(replaced(&mut world, Vec::new()), ["kube-apiserver@cp-1 v1.36.3"]);
    assert_eq!(world.cluster("test").upgrade, None);
    world.run(HibernateClusterV1 { name: name("test"), hibernated: true });
}

#[test]
fn an_upgrade_goes_back_before_anything_was_replaced() {
    let mut world = safe(three());
    world.run(upgrade("v1.36.99"));
    let back = ChangeUpgradeV1 { name: name("test"), change: UpgradeChange::RollBack };
    assert_eq!(kinds(&world.run(back)), ["UpgradeChanged", "UpgradeEnded"]);
    assert_eq!(world.owed(), [] as [String; 0]);
}

#[test]
fn a_minor_upgrade_whose_only_api_server_never_became_ready_goes_back() {
    let mut world = begun_minor();
    let back = ChangeUpgradeV1 { name: name("test"), change: UpgradeChange::RollBack };
    assert_eq!(kinds(&world.run(back)), ["UpgradeChanged", "ComponentVersionChanged"]);
    world.finish_all();
    assert_eq!(world.cluster("test").spec.kubernetes_version, name("v1.35.4"));
}

#[test]
fn a_minor_upgrade_whose_api_server_was_ready_does_not_go_back_because_of_another_component() {
    let mut world = begun_minor();
    let api_server = world.owed().remove(0);
    world.succeed(&api_server);
    assert_eq!(world.node("test", "cp-1").versions.controller_manager, name("v1.36.3"));
    assert!(!world.node("test", "cp-1").is_ready());
    let back = ChangeUpgradeV1 { name: name("test"), change: UpgradeChange::RollBack };
    assert_eq!(world.rejection(back), "upgrade-impossible");
}

#[test]
fn a_minor_upgrade_whose_api_server_was_ready_does_not_go_back_because_of_a_renewal() {
    let mut world = begun_minor();
    let change = |change| ChangeUpgradeV1 { name: name("test"), change };
    world.run(change(UpgradeChange::Pause));
    let api_server = world.owed().remove(0);
    world.succeed(&api_server);
    world.now_ms = world.node("test", "cp-1").renew_at_ms["apiserver"];
    for renewal in due(&world.state, world.now_ms) {
        world.run(renewal);
    }
    assert!(!world.node("test", "cp-1").is_ready());
    assert_eq!(world.rejection(change(UpgradeChange::RollBack)), "upgrade-impossible");
}

#[test]
fn a_hypervisor_that_is_away_says_nothing_about_images() {
    let mut world = safe(three());
    world.run(upgrade("v1.36.4"));
    let job = world.owed().remove(1);
    let hypervisor = world.node("test", "cp-2").hypervisor.clone();
    let reason = "gone".to_owned();
    let observation = Observation::HypervisorUnreachable { name: hypervisor, reason };
    world.run(ReportObservationV1 { observation });
    for _ in 0..20 {
        assert_eq!(kinds(&world.report(&job, failed(FailureClass::Transient))), ["JobFailed"]);
        world.run(RetryJobV1 { job: JobId(job.clone()) });
    }
}

#[test]
fn a_minor_upgrade_cannot_roll_back_once_all_api_servers_are_new() {
    let mut world = of_minor_before();
    world.run(upgrade("v1.36.3"));
    let back = ChangeUpgradeV1 { name: name("test"), change: UpgradeChange::RollBack };
    assert_eq!(world.rejection(back), "upgrade-impossible");
}
