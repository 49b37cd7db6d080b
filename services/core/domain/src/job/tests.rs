//! Outcomes of jobs.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::*;
use oi_events::*;

fn failed(world: &mut World, job: &str) -> JobFailedV1 {
    let events = world.report(
        job,
        JobResult::Failed { message: "no disk".to_owned(), class: FailureClass::Transient },
    );
    let [Event::Job(JobEvent::JobFailed(failed))] = events.as_slice() else { panic!("{events:?}") };
    failed.clone()
}

#[test]
fn a_failure_is_due_again_after_a_pause_that_doubles() {
    let mut world = World::new();
    world.run(hypervisor(0));
    let job = world.owed().remove(0);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let event = failed(&mut world, &job);
        pauses.push((event.retry_at_ms - world.now_ms) / 1000);
        assert_eq!(world.owed(), [] as [String; 0], "not before the pause is over");
        assert_eq!(due(&world.state, event.retry_at_ms - 1), []);
        world.now_ms = event.retry_at_ms;
        let retry = due(&world.state, world.now_ms).remove(0);
        assert_eq!(kinds(&world.run(retry)), ["JobRetried"]);
        assert_eq!(world.owed(), vec![job.clone()]);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    world.succeed(&job);
    assert!(world.state.failures.is_empty());
}

#[test]
fn a_failure_is_recorded_no_longer_than_fits() {
    let mut world = World::new();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world.run(hypervisor(0));
    let job = world.owed().remove(0);
    for class in [FailureClass::Transient, FailureClass::Permanent] {
        world.report(&job, JobResult::Failed { message: "x".repeat(600_000), class });
        assert!(world.state.failures[&JobId(job.clone())].message.len() <= LONGEST_TEXT);
    }
}

#[test]
fn a_person_need_not_wait() {
    let mut world = World::new();
    world.run(hypervisor(0));
    let job = world.owed().remove(0);
    let retry = RetryJobV1 { job: JobId(job.clone()) };
    assert_eq!(world.rejection(retry.clone()), "job-unknown");
    failed(&mut world, &job);
    assert_eq!(kinds(&world.run(retry.clone())), ["JobRetried"]);
    assert_eq!(world.run(retry), [], "due already");
}

#[test]
fn what_was_given_up_waits_for_a_person() {
    let mut world = World::new();
    world.run(hypervisor(0));
    let job = world.owed().remove(0);
    assert_eq!(kinds(&world.report(&job, JobResult::DeadLettered)), ["JobDeadLettered"]);
    assert_eq!(world.owed(), [] as [String; 0]);
    assert_eq!(due(&world.state, u64::MAX - 1), []);
    world.run(RetryJobV1 { job: JobId(job.clone()) });
    assert_eq!(world.owed(), [job]);
}

#[test]
fn a_report_about_what_is_not_owed_changes_nothing() {
    let mut world = World::with_hypervisors();
    world.run(cluster("test"));
    world.run(node("test", "cp-1", Role::ControlPlane));
    let job = world.owed().remove(0);
    world.succeed(&job);
    assert_eq!(world.succeed(&job), [], "told twice");
    assert_eq!(
        world.report(
            &job,
            JobResult::Failed { message: "late".to_owned(), class: FailureClass::Transient }
        ),
        []
    );
    let older = job.replace(".8.", ".7.").replace(".9.", ".7.").replace(".10.", ".7.");
    assert_eq!(world.succeed(&older), []);
    for nonsense in ["", "node", "node.test.cp-1.x.etcd", "cluster.test.1.shred", "a.b.c.d.e.f"] {
        assert_eq!(world.succeed(nonsense), [], "{nonsense}");
    }
}

#[test]
fn deleting_forgets_the_troubles_of_what_is_no_longer_wanted() {
    let mut world = World::with_hypervisors();
    world.run(cluster("test"));
    world.run(node("test", "cp-1", Role::ControlPlane));
    let job = world.owed().remove(0);
    failed(&mut world, &job);
    world.run(DeleteClusterV2 { name: name("test"), forget_orphans: false });
    assert!(world.state.failures.is_empty());
    world.finish_all();
    assert!(world.state.clusters.is_empty());
}

#[test]
fn job_ids_say_what_they_are_for() {
    let mut world = World::with_cluster();
    world.run(hypervisor(3));
    world.run(DeleteClusterV2 { name: name("test"), forget_orphans: false });
    for job in owed(&world.state) {
        let target = JobTarget::parse(&job.id).unwrap();
        assert_eq!(target.id(), job.id);
        assert_eq!(target.cluster(), job.cluster.as_ref());
    }
}

#[test]
fn only_what_nothing_depends_on_can_be_cancelled() {
    let mut world = World::with_cluster();
    world.run(BackupClusterV1 { name: name("test") });
    let backup = world.owed().remove(0);
    let cancel = |job: &str| CancelJobV1 { job: JobId(job.to_owned()) };
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    assert_eq!(kinds(&world.run(cancel(&backup))), ["BackupExpired"]);
    assert!(!world.owed().contains(&backup));
    assert_eq!(world.rejection(cancel(&backup)), "job-unknown", "once is enough");
    world.finish_all();
    world.run(node("test", "cp-2", Role::ControlPlane));
    let etcd = world.owed().into_iter().find(|j| j.ends_with(".etcd")).unwrap();
    assert_eq!(world.rejection(cancel(&etcd)), "job-needed");
    world.run(hypervisor(5));
    assert_eq!(world.rejection(cancel(&world.owed()[0].clone())), "job-needed");
}

#[test]
fn a_failure_for_good_waits_for_a_person() {
    let mut world = World::with_hypervisors();
    world.run(hypervisor(3));
    let job = world.owed()[0].clone();
    let failed = |message: &str, class| JobResult::Failed { message: message.to_owned(), class };
    world.report(&job, failed("no answer", FailureClass::Transient));
    let events = world.report(&job, failed("not a CRI endpoint", FailureClass::Permanent));
    assert!(matches!(
        events.as_slice(),
        [Event::Job(JobEvent::JobDeadLettered(e))] if e.attempts == 2 && e.message.contains("CRI")
    ));
    let failure = &world.state.failures[&JobId(job.clone())];
    assert_eq!((failure.attempts, failure.retry), (2, Retry::ByHand));
    assert_eq!(due(&world.state, u64::MAX), []);
    assert!(!world.owed().contains(&job));
    world.run(RetryJobV1 { job: JobId(job.clone()) });
    assert!(world.owed().contains(&job));
}

#[test]
fn a_backup_succeeds_with_its_snapshot_and_a_duration() {
    let mut world = World::with_cluster();
    world.run(BackupClusterV1 { name: name("test") });
    let job = world.owed()[0].clone();
    let report = |output| ReportJobV2 {
        job: JobId(job.clone()),
        result: JobResult::Succeeded(output),
        took_ms: 5,
    };
    let events = world.run(report(JobOutput::None));
    assert!(matches!(events.as_slice(), [Event::Job(JobEvent::JobFailed(_))]), "{events:?}");
    world.run(RetryJobV1 { job: JobId(job.clone()) });
    let events = world.run(report(JobOutput::Backup(snapshot())));
    assert!(matches!(
        events.as_slice(),
        [Event::Job(JobEvent::JobSucceeded(done)), Event::Backup(BackupEvent::BackupTaken(_))]
            if done.took_ms == 5
    ));
    assert_eq!(world.owed(), Vec::<String>::new());
}
