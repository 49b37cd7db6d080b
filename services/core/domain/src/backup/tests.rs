//! Backups, and what is made of them.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::tests::scenario::*;
use crate::*;
use oi_events::*;

#[test]
fn backups_are_taken_by_schedule_and_the_oldest_go() {
    let mut world = three();
    let by_hand = back_up(&mut world);
    world.run(ScheduleBackupsV1 { name: name("test"), every_ms: MINUTE, keep: 2 });
    let mut taken = Vec::new();
    for _ in 0..3 {
        assert_eq!(due(&world.state, world.now_ms + MINUTE - 1), []);
        world.now_ms += MINUTE;
        assert_eq!(due(&world.state, world.now_ms).len(), 1);
        taken.push(back_up(&mut world));
        world.finish_all();
    }
    let kept: Vec<_> = world.cluster("test").backups.keys().copied().collect();
    assert_eq!(kept, taken[1..], "not {by_hand}");
    let gone = DeleteBackupV1 { cluster: name("test"), backup: by_hand };
    assert_eq!(world.rejection(gone), "backup-unknown");
    world.run(ScheduleBackupsV1 { name: name("test"), every_ms: 0, keep: 0 });
    assert_eq!(due(&world.state, world.now_ms + 9 * MINUTE), []);
}

#[test]
fn a_restore_stops_all_puts_the_data_in_place_and_begins_a_new_membership() {
    let mut world = three();
    let unknown = RestoreClusterV1 { name: name("test"), backup: BackupId(Default::default()) };
    assert_eq!(world.rejection(unknown), "backup-unknown");
    let backup = back_up(&mut world);
    world.run(RestoreClusterV1 { name: name("test"), backup });
    let ends =
        |world: &World, step: &str| world.owed().iter().filter(|j| j.ends_with(step)).count();
    assert_eq!((ends(&world, ".stop"), ends(&world, ".restore"), ends(&world, ".etcd")), (3, 0, 0));
    while ends(&world, ".stop") > 0 {
        let job = world.owed().into_iter().find(|j| j.ends_with(".stop")).unwrap();
        world.succeed(&job);
    }
    assert_eq!((ends(&world, ".restore"), ends(&world, ".etcd")), (3, 0), "{:?}", world.owed());
    assert_eq!(world.rejection(remove("test", "cp-2")), "restore-running");
    assert_eq!(world.rejection(BackupClusterV1 { name: name("test") }), "restore-running");
    while ends(&world, ".restore") > 0 {
        let job = world.owed().into_iter().find(|j| j.ends_with(".restore")).unwrap();
        world.succeed(&job);
    }
    let joined = |n: &str| world.node("test", n).joined;
    assert_eq!([joined("cp-1"), joined("cp-2"), joined("cp-3")], [true, false, false]);
    assert_eq!(ends(&world, ".etcd"), 2, "the first comes back, one joins it");
    world.finish_all();
    assert_eq!(world.cluster("test").restore, None);
    assert!(world.cluster("test").is_converged());
}

#[test]
fn a_lost_majority_is_restored_on_what_is_left() {
    let mut world = three();
    let backup = back_up(&mut world);
    for n in ["cp-1", "cp-2"] {
        let away = place_of(&world, n);
        world.run(seen(&away, false));
    }
    world.run(RestoreClusterV1 { name: name("test"), backup });
    settle(&mut world);
    assert_eq!(names(&world), ["cp-3", "lb-1"]);
    assert!(world.cluster("test").is_converged());
    assert_eq!(world.cluster("test").restore, None);
    world.run(node("test", "cp-4", Role::ControlPlane));
    settle(&mut world);
    assert!(world.cluster("test").is_converged());
}

#[test]
fn a_backup_becomes_another_cluster() {
    let mut world = three();
    let backup = back_up(&mut world);
    let clone = CloneClusterV1 { name: name("copy"), source: name("test"), backup };
    world.run(clone.clone());
    assert_eq!(world.rejection(clone), "cluster-exists");
    world.run(node("copy", "cp-1", Role::ControlPlane));
    world.run(node("copy", "lb-1", Role::ControlPlaneIngress));
    world.finish_all();
    let (test, copy) = (world.cluster("test"), world.cluster("copy"));
    assert_eq!((copy.phase, &copy.restore), (ClusterPhase::Ready, &None));
    assert_ne!(copy.credentials["ca"], test.credentials["ca"]);
    assert_eq!(copy.credentials[ENCRYPTION_KEY], test.credentials[ENCRYPTION_KEY]);
}
