//! What is told before it hurts.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::tests::scenario::*;
use crate::*;
use oi_events::*;

/// When certificates and authorities of these tests end.
const END: u64 = 2_000_000_000_000;

#[test]
fn a_late_backup_certificate_or_authority_is_told() {
    let mut world = three();
    let health = |world: &World, now_ms| Health::of(&world.state, now_ms);
    let now = world.now_ms;
    let well = health(&world, now);
    assert_eq!((well.late_certificates, well.late_backups), (0, 0));
    assert_eq!(well.authority_left_ms, Some(END - now));
    assert_eq!(health(&world, END + 1).authority_left_ms, Some(0));
    // Due at two thirds, late at five sixths.
    assert_eq!(health(&world, now + (END - now) / 100 * 80).late_certificates, 0);
    assert!(health(&world, now + (END - now) / 100 * 84).late_certificates >= 3);

    world.run(ScheduleBackupsV1 { name: name("test"), every_ms: MINUTE, keep: 2 });
    assert_eq!(health(&world, now + 2 * MINUTE).late_backups, 0);
    assert_eq!(health(&world, now + 2 * MINUTE + 1).late_backups, 1);
    world.now_ms += 2 * MINUTE;
    // One that is asked for and not taken saves nothing.
    world.run(BackupClusterV1 { name: name("test") });
    assert_eq!(health(&world, now + 3 * MINUTE).late_backups, 1);
    world.finish_all();
    assert_eq!(health(&world, now + 3 * MINUTE).late_backups, 0);
}

#[test]
fn jobs_that_wait_for_a_person_are_counted_by_kind() {
    let mut world = World::new();
    world.run(hypervisor(0));
    let none = Health::of(&world.state, world.now_ms).dead_letters;
    assert!(none.len() == JobKind::ALL.len() && none.values().all(|n| *n == 0));
    let job = world.owed().remove(0);
    world.report(&job, JobResult::DeadLettered);
    let waiting = Health::of(&world.state, world.now_ms).dead_letters;
    assert_eq!(waiting[&JobKind::ProbeHypervisor], 1);
    world.run(RetryJobV1 { job: JobId(job) });
    assert_eq!(Health::of(&world.state, world.now_ms).dead_letters, none);
}
