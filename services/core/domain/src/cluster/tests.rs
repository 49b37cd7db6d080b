//! Commands about clusters.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::tests::scenario::*;
use crate::*;
use oi_events::*;

#[test]
fn creating_makes_authorities_and_cluster_wide_keys_once() {
    let mut world = World::with_hypervisors();
    let events = world.run(cluster("test"));
    let [Event::Cluster(ClusterEvent::ClusterCreated(created))] = events.as_slice() else {
        panic!("{events:?}")
    };
    let names: Vec<_> = created.credentials.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["ca", "etcd-ca", "front-proxy-ca", "sa", "encryption-key"]);
    assert_eq!(world.cluster("test").phase, ClusterPhase::Creating);
    assert_eq!(world.owed(), [] as [String; 0], "a cluster without nodes owes nothing");
}

#[test]
fn a_name_is_used_once_and_again_after_deletion() {
    let mut world = World::with_cluster();
    let first = world.cluster("test").uid;
    assert_eq!(world.rejection(cluster("test")), "cluster-exists");
    world.run(ScheduleDeletionV1 { name: name("test"), grace_ms: 60_000 });
    assert_eq!(world.rejection(cluster("test")), "deletion-scheduled");
    world.run(DeleteClusterV2 { name: name("test"), forget_orphans: false });
    assert_eq!(world.rejection(cluster("test")), "cluster-deleting", "nobody can delete it now");
    world.finish_all();
    world.run(cluster("test"));
    assert_ne!(world.cluster("test").uid, first, "another life, another uid");
}

#[test]
fn unusable_settings_are_refused() {
    let mut world = World::with_hypervisors();
    let mut refused = |change: &dyn Fn(&mut CreateClusterV1)| {
        let mut command = cluster("bad");
        change(&mut command);
        world.rejection(command)
    };
    assert_eq!(refused(&|c| c.spec.kubernetes_version = name("v1.33.0")), "version-unsupported");
    assert_eq!(refused(&|c| c.spec.kubernetes_version = name("v1.37.0")), "version-unsupported");
    assert_eq!(refused(&|c| c.spec.kubernetes_version = name("v2.36.0")), "version-unsupported");
    for cidr in ["", "10.244.0.0", "10.244.0.0/33", "10.244.1.0/16", "10.0.0.0/4", "10.2.3.0/25"] {
        assert_eq!(refused(&|c| c.spec.pod_cidr = cidr.to_owned()), "invalid", "pods {cidr}");
    }
    for cidr in ["x", "10.96.0.1/12", "10.0.0.0/8", "10.96.0.0/30", "fd00::/112"] {
        assert_eq!(
            refused(&|c| c.spec.service_cidr = cidr.to_owned()),
            "invalid",
            "services {cidr}"
        );
    }
    assert_eq!(refused(&|c| c.spec.service_cidr = "10.244.128.0/17".to_owned()), "overlap");
    assert_eq!(refused(&|c| c.spec.pod_cidr = "192.0.0.0/16".to_owned()), "overlap");
    for domain in ["", "Cluster.local", "-a.b", "a..b"] {
        assert_eq!(refused(&|c| c.spec.dns_domain = domain.to_owned()), "invalid", "{domain}");
    }
    assert_eq!(refused(&|c| c.spec.extra_sans = vec!["not a name".to_owned()]), "invalid");
}

#[test]
fn without_keys_nothing_is_created() {
    let world = World::with_hypervisors();
    let context = Context { now_ms: world.now_ms, mint: &NoMint, begins: None };
    let envelope = world.envelope(cluster("test"));
    let rejection = decide(&world.state, &envelope, &context).unwrap_err();
    assert_eq!(rejection.code().as_str(), "key-material");
    assert!(rejection.to_string().contains("no entropy"));
}

#[test]
fn a_cluster_is_ready_when_each_node_is_and_both_roles_are_there() {
    let mut world = World::with_hypervisors();
    world.run(cluster("test"));
    world.run(node("test", "cp-1", Role::ControlPlane));
    world.finish_all();
    assert_eq!(world.cluster("test").phase, ClusterPhase::Creating, "no way in yet");
    world.run(node("test", "lb-1", Role::ControlPlaneIngress));
    let job = world.owed().pop().unwrap();
    let events = world.succeed(&job);
    assert_eq!(kinds(&events), ["JobSucceeded", "ClusterBecameReady"]);
    assert_eq!(world.cluster("test").phase, ClusterPhase::Ready);
}

#[test]
fn deleting_removes_each_node_then_the_key_then_the_cluster() {
    let mut world = World::with_cluster();
    let events = world.run(DeleteClusterV2 { name: name("test"), forget_orphans: false });
    assert_eq!(
        kinds(&events),
        ["ClusterDeletionStarted", "NodeRemovalStarted", "NodeRemovalStarted"]
    );
    assert_eq!(
        world.run(DeleteClusterV2 { name: name("test"), forget_orphans: false }),
        [],
        "again: nothing"
    );
    assert_eq!(world.rejection(node("test", "cp-2", Role::ControlPlane)), "cluster-deleting");
    assert_eq!(world.rejection(kubeconfig("test")), "cluster-deleting");
    let removals = world.owed();
    assert!(removals.iter().all(|j| j.ends_with(".remove")), "{removals:?}");
    world.succeed(&removals[0]);
    world.succeed(&removals[1]);
    let shred = world.owed();
    assert!(shred.len() == 1 && shred[0].ends_with(".shred"), "{shred:?}");
    assert_eq!(kinds(&world.succeed(&shred[0])), ["JobSucceeded", "ClusterDeleted"]);
    assert!(world.state.clusters.is_empty() && world.state.failures.is_empty());
    assert_eq!(
        world.rejection(DeleteClusterV2 { name: name("test"), forget_orphans: false }),
        "cluster-unknown"
    );
}

fn kubeconfig(cluster: &str) -> RecordKubeconfigV2 {
    RecordKubeconfigV2 {
        cluster: name(cluster),
        common_name: "alice".to_owned(),
        organizations: vec!["dev".to_owned()],
        serial: "5f".to_owned(),
        not_after_ms: 1,
        issuer: Hash::ZERO,
    }
}

#[test]
fn an_issued_kubeconfig_is_remembered() {
    let mut world = World::with_cluster();
    world.run(kubeconfig("test"));
    assert_eq!(world.cluster("test").kubeconfigs["5f"].common_name, "alice");
    assert_eq!(world.rejection(kubeconfig("other")), "cluster-unknown");
}

#[test]
fn kubeconfigs_that_have_ended_are_forgotten_when_the_next_one_is_issued() {
    let mut world = World::with_cluster();
    let mut issue = |serial: &str, not_after_ms: u64| {
        let serial = serial.to_owned();
        world.run(RecordKubeconfigV2 { serial, not_after_ms, ..kubeconfig("test") });
        world.cluster("test").kubeconfigs.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(issue("ended", 1), ["ended"]);
    assert_eq!(issue("lasts", 2_000_000_000_000), ["lasts"]);
    assert_eq!(issue("next", 2_000_000_000_000), ["lasts", "next"]);
}

#[test]
fn a_command_that_expects_another_position_is_refused() {
    let world = World::with_cluster();
    let mut envelope =
        world.envelope(DeleteClusterV2 { name: name("test"), forget_orphans: false });
    envelope.expected_position = Some(world.state.position);
    world.decide(&envelope).unwrap();
    envelope.expected_position = Some(world.state.position - 1);
    assert_eq!(world.decide(&envelope).unwrap_err().code().as_str(), "position-moved");
}

#[test]
fn names_that_some_would_take_for_addresses_are_refused() {
    let mut world = World::with_hypervisors();
    for domain in ["10.0.0.1".to_owned(), format!("{}.local", ["a"; 120].join("."))] {
        let mut create = cluster("test");
        create.spec.dns_domain = domain;
        assert_eq!(world.rejection(create), "invalid");
    }
    for (san, usable) in [("300.1.1.1", false), ("10.1.1.1", true), ("1.example.org", true)] {
        let mut create = cluster(&format!("c{}", san.len()));
        create.spec.extra_sans = vec![san.to_owned()];
        assert_eq!(world.try_run(create).is_ok(), usable, "{san}");
    }
}

#[test]
fn a_name_in_large_letters_is_refused_with_the_reason() {
    let mut world = World::with_hypervisors();
    for san in ["API.example.org", "api.example.org:443", "api_1.example.org"] {
        let mut create = cluster("test");
        create.spec.extra_sans = vec![san.to_owned()];
        let refused = world.try_run(create).unwrap_err().to_string();
        assert!(refused.contains("a DNS name in small letters"), "{refused}");
    }
}

#[test]
fn a_cluster_has_so_many_names_and_nodes_and_no_more() {
    let mut world = three();
    let names = |count: usize| {
        let mut create = cluster("other");
        create.spec.extra_sans = (0..count).map(|n| format!("api-{n}.example.org")).collect();
        create
    };
    assert_eq!(world.rejection(names(101)), "invalid");
    world.run(names(100));
    for n in 7..40 {
        world.run(hypervisor(n));
        world.run(seen(&format!("hv-{n}"), true));
    }
    world.finish_all();
    for n in 5..=50 {
        world.run(node("test", &format!("lb-{n}"), Role::ControlPlaneIngress));
    }
    let one_more = world.envelope(node("test", "lb-more", Role::ControlPlaneIngress));
    let refused = world.decide(&one_more).unwrap_err().to_string();
    assert_eq!(
        refused,
        "number of nodes \"51\" is not usable: a cluster has at most 50: remove some first"
    );
}

#[test]
fn what_is_too_old_to_be_remembered_is_refused() {
    let mut world = World::with_hypervisors();
    let cordon = |cordoned| CordonHypervisorV1 { name: name("hv-0"), cordoned };
    let first = world.envelope(cordon(true));
    for n in 0..=PROCESSED_HORIZON {
        world.now_ms += 1;
        world.run(cordon(n % 2 == 0));
    }
    assert_eq!(world.decide(&first).unwrap_err().code().as_str(), "too-old");
    world.run(cordon(true));
}

#[test]
fn a_deleted_cluster_is_known_as_ours_when_its_commands_are_forgotten() {
    let mut world = World::with_cluster();
    let uid = world.cluster("test").uid;
    world.run(DeleteClusterV2 { name: name("test"), forget_orphans: false });
    assert!(!world.state.deleted.has(uid), "something of it is left");
    world.finish_all();
    for n in 0..=PROCESSED_HORIZON {
        world.run(CordonHypervisorV1 { name: name("hv-0"), cordoned: n % 2 == 0 });
    }
    assert_eq!(world.state.processed.position(&CommandId(uid.0)), None, "they are forgotten");
    assert!(world.state.deleted.has(uid));
    let anothers = ClusterUid(uuid::Uuid::from_u128(uid.0.as_u128() + 1));
    assert!(!world.state.deleted.has(anothers), "as old as it, but of another log");
}

#[test]
fn a_deletion_ends_though_a_hypervisor_is_away() {
    let mut world = three();
    let away = place_of(&world, "cp-2");
    let ports = world.node("test", "cp-2").ports.clone();
    world.run(DeleteClusterV2 { name: name("test"), forget_orphans: false });
    world.run(seen(&away, false));
    settle(&mut world);
    assert!(world.state.clusters.is_empty(), "{:?}", world.owed());
    let unregister = UnregisterHypervisorV1 { name: name(&away) };
    assert_eq!(world.rejection(unregister.clone()), "hypervisor-has-orphans");
    // Its ports may still be taken.
    world.run(seen(&away, true));
    let (_, free) =
        place(&world.state, &name("test"), Role::ControlPlane, Some(&name(&away))).unwrap();
    assert!(free.iter().all(|p| !ports.values().any(|taken| *taken == p.port)));
    world.run(seen(&away, false));
    world.run(ForgetOrphansV1 { name: name(&away) });
    world.run(unregister);
}

#[test]
fn a_hibernated_cluster_runs_nothing_and_wakes_all_at_once() {
    let mut world = three();
    let hibernate = |hibernated| HibernateClusterV1 { name: name("test"), hibernated };
    world.run(hibernate(true));
    assert_eq!(world.run(hibernate(true)), []);
    assert_eq!(world.owed().iter().filter(|j| j.ends_with(".stop")).count(), 4);
    world.finish_all();
    assert_eq!(world.rejection(upgrade("v1.36.4")), "cluster-hibernated");
    assert_eq!(world.rejection(node("test", "cp-4", Role::ControlPlane)), "cluster-hibernated");
    world.run(hibernate(false));
    let etcd = world.owed().iter().filter(|j| j.ends_with(".etcd")).count();
    assert_eq!(etcd, 3, "a quorum comes back together: {:?}", world.owed());
    world.finish_all();
    assert!(world.cluster("test").is_converged());
}

#[test]
fn a_cluster_whose_deletion_is_scheduled_comes_back_until_its_time() {
    let mut world = three();
    let schedule_deletion = ScheduleDeletionV1 { name: name("test"), grace_ms: 10 * MINUTE };
    world.run(schedule_deletion.clone());
    world.finish_all();
    assert_eq!(world.run(schedule_deletion.clone()), []);
    assert_eq!(world.rejection(upgrade("v1.36.4")), "deletion-scheduled");
    world.run(UndeleteClusterV1 { name: name("test") });
    assert_eq!(world.run(UndeleteClusterV1 { name: name("test") }), []);
    world.finish_all();
    assert!(world.cluster("test").is_converged());
    world.run(schedule_deletion);
    world.now_ms += 10 * MINUTE - 1;
    settle(&mut world);
    assert!(!world.state.clusters.is_empty());
    world.now_ms += 1;
    settle(&mut world);
    assert!(world.state.clusters.is_empty());
}

#[test]
fn a_deletion_can_forget_what_is_away() {
    let mut world = three();
    let away = place_of(&world, "cp-2");
    world.run(seen(&away, false));
    world.run(DeleteClusterV2 { name: name("test"), forget_orphans: true });
    settle(&mut world);
    assert!(world.state.clusters.is_empty());
    assert!(world.state.hypervisors[&name::<HypervisorName>(&away)].orphans.is_empty());
}
