//! Rotation of certificate authorities.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::tests::scenario::*;
use crate::*;
use oi_events::*;

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
