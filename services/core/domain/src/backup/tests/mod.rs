//! Backups, and what is made of them.
#![allow(clippy::unwrap_used)]

mod restore;

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

/// Three members, in a log of this release.
fn newest() -> World {
    let mut world = three();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world
}

fn restore(backup: BackupId) -> RestoreClusterV1 {
    RestoreClusterV1 { name: name("test"), backup }
}

fn abort() -> AbortRestoreV1 {
    AbortRestoreV1 { name: name("test") }
}

/// What can be done.
/// The owed jobs of a step.
fn ends(world: &World, step: &str) -> Vec<String> {
    world.owed().into_iter().filter(|j| j.ends_with(step)).collect()
}

fn owed_jobs(world: &World) -> Vec<String> {
    let jobs = owed(&world.state).into_iter().filter(|job| can_do(world, job));
    jobs.map(|job| job.id.0).collect()
}

#[test]
fn a_backup_stays_while_another_cluster_is_made_of_it() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(CloneClusterV1 { name: name("copy"), source: name("test"), backup });
    world.run(node("copy", "cp-1", Role::ControlPlane));
    assert_eq!(ends(&world, ".etcd"), [] as [String; 0], "it has nothing to run with");
    assert_eq!(world.rejection(AbortRestoreV1 { name: name("copy") }), "no-restore");
    let delete = DeleteBackupV1 { cluster: name("test"), backup };
    assert_eq!(world.rejection(delete.clone()), "backup-in-use");
    let destroy = DeleteClusterV2 { name: name("test"), forget_orphans: false };
    assert_eq!(world.rejection(destroy.clone()), "backup-in-use");
    world.run(ScheduleBackupsV1 { name: name("test"), every_ms: MINUTE, keep: 1 });
    back_up(&mut world);
    assert!(!world.cluster("test").backups[&backup].expired);
    world.run(node("copy", "lb-1", Role::ControlPlaneIngress));
    world.finish_all();
    assert_eq!(world.cluster("copy").phase, ClusterPhase::Ready);
    back_up(&mut world);
    world.finish_all();
    assert!(!world.cluster("test").backups.contains_key(&backup), "now it is one too many");
    assert_eq!(world.rejection(delete), "backup-unknown");
    world.run(destroy);
}

#[test]
fn a_backup_in_use_keeps_no_older_ones() {
    let mut world = newest();
    let all = [back_up(&mut world), back_up(&mut world), back_up(&mut world)];
    world.run(CloneClusterV1 { name: name("copy"), source: name("test"), backup: all[1] });
    world.run(ScheduleBackupsV1 { name: name("test"), every_ms: MINUTE, keep: 1 });
    world.finish_all();
    let kept: Vec<_> = world.cluster("test").backups.keys().copied().collect();
    assert_eq!(kept, all[1..]);
}

#[test]
fn a_scheduled_deletion_waits_for_the_cluster_that_is_made_of_it() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(ScheduleDeletionV1 { name: name("test"), grace_ms: MINUTE });
    world.run(CloneClusterV1 { name: name("copy"), source: name("test"), backup });
    world.now_ms += 2 * MINUTE;
    settle(&mut world);
    assert!(world.state.clusters.contains_key(&name::<ClusterName>("test")));
    world.run(DeleteClusterV2 { name: name("copy"), forget_orphans: false });
    settle(&mut world);
    assert!(world.state.clusters.is_empty());
}

#[test]
fn nothing_is_made_of_a_cluster_whose_key_is_going() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(delete());
    let clone = CloneClusterV1 { name: name("copy"), source: name("test"), backup };
    assert_eq!(world.rejection(clone), "backup-unknown");
}

fn delete() -> DeleteClusterV2 {
    DeleteClusterV2 { name: name("test"), forget_orphans: false }
}

#[test]
fn a_plan_says_which_backups_become_unreadable() {
    let mut world = newest();
    let backup = back_up(&mut world);
    let planned = |world: &World, command: Command| {
        let all = [world.envelope(command)];
        plan(&world.state, &all, world.now_ms).unreadable
    };
    assert_eq!(planned(&world, delete().into()), [(name("test"), backup)]);
    let drop = DeleteBackupV1 { cluster: name("test"), backup };
    assert_eq!(planned(&world, drop.into()), [(name("test"), backup)]);
    assert_eq!(planned(&world, BackupClusterV1 { name: name("test") }.into()), []);
    world.run(KeepBackupsV1 { name: name("test"), for_ms: MINUTE });
    assert_eq!(planned(&world, delete().into()), []);
}

#[test]
fn backups_outlive_their_cluster_for_as_long_as_was_asked() {
    let mut world = newest();
    let backup = back_up(&mut world);
    let keep = |for_ms| KeepBackupsV1 { name: name("test"), for_ms };
    world.run(keep(60 * MINUTE));
    assert_eq!(world.run(keep(60 * MINUTE)), [], "again: nothing");
    world.run(delete());
    world.finish_all();
    assert!(world.cluster("test").nodes.is_empty(), "its nodes are gone");
    world.now_ms += 59 * MINUTE;
    settle(&mut world);
    assert_eq!(world.rejection(cluster("test")), "backups-kept");
    world.run(CloneClusterV1 { name: name("again"), source: name("test"), backup });
    world.now_ms += 2 * MINUTE;
    settle(&mut world);
    assert!(world.cluster("test").is_readable(backup), "not while a cluster is made of it");
    assert_eq!(world.rejection(keep(0)), "backup-in-use");
    world.run(node("again", "cp-1", Role::ControlPlane));
    world.run(node("again", "lb-1", Role::ControlPlaneIngress));
    settle(&mut world);
    let names: Vec<_> = world.state.clusters.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["again"], "then the key is destroyed");
}

#[test]
fn backups_that_are_kept_can_be_given_up_at_any_time() {
    let mut world = newest();
    back_up(&mut world);
    world.run(KeepBackupsV1 { name: name("test"), for_ms: 60 * MINUTE });
    world.run(delete());
    world.finish_all();
    world.run(KeepBackupsV1 { name: name("test"), for_ms: 0 });
    assert_eq!(
        world.rejection(KeepBackupsV1 { name: name("test"), for_ms: 1 }),
        "cluster-deleting"
    );
    world.finish_all();
    assert!(world.state.clusters.is_empty());
    // Where there is none, nothing is kept.
    let mut world = newest();
    world.run(KeepBackupsV1 { name: name("test"), for_ms: MINUTE });
    world.run(delete());
    world.finish_all();
    assert!(world.state.clusters.is_empty());
}

#[test]
fn a_snapshot_of_others_becomes_a_cluster() {
    let mut world = newest();
    let import = |file: &str| ImportClusterV1 {
        name: name("mine"),
        spec: cluster("mine").spec,
        file: file.to_owned(),
        sha256: Hash::ZERO,
    };
    let long = "x".repeat(101);
    for file in ["", "../clusters/x", "a/b", ".hidden", "a b", &long] {
        assert_eq!(world.rejection(import(file)), "invalid", "{file}");
    }
    world.run(import("etcd-2026.db"));
    let restore = world.cluster("mine").restore.clone().unwrap();
    assert_eq!(restore.snapshot.object, "imports/mine/etcd-2026.db");
    assert!(restore.snapshot.is_imported() && !snapshot().is_imported());
    world.run(node("mine", "cp-1", Role::ControlPlane));
    let owed = world.owed();
    assert!(owed.len() == 1 && owed[0].ends_with(".stage"), "it begins with no data: {owed:?}");
    assert_eq!(world.rejection(AbortRestoreV1 { name: name("mine") }), "no-restore");
    world.run(node("mine", "lb-1", Role::ControlPlaneIngress));
    world.finish_all();
    assert_eq!(world.cluster("mine").phase, ClusterPhase::Ready);
    assert_eq!(world.rejection(import("etcd-2026.db")), "cluster-exists");
}
