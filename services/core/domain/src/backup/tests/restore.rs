//! Restores: their steps, what they do without, and the way back.

use super::*;

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

/// The owed jobs of a step are done.
fn finish(world: &mut World, step: &str) {
    while let Some(job) = ends(world, step).first() {
        world.succeed(&job.clone());
    }
}

#[test]
fn a_backup_that_cannot_be_read_stops_nothing_and_ends_its_restore() {
    for class in [Some(FailureClass::Permanent), None] {
        let mut world = newest();
        let (bad, good) = (back_up(&mut world), back_up(&mut world));
        world.run(restore(bad));
        let stage = ends(&world, ".stage");
        assert!(stage.len() == 1 && stage[0].starts_with("node.test.cp-1."), "{stage:?}");
        let message = "is cut off".to_owned();
        let failed = class.map(|class| JobResult::Failed { message, class });
        let events = world.report(&stage[0], failed.unwrap_or(JobResult::DeadLettered));
        assert_eq!(kinds(&events), ["JobDeadLettered", "RestoreAborted"]);
        assert_eq!(world.cluster("test").restore, None);
        world.finish_all();
        assert!(world.cluster("test").is_converged(), "all run as before");
        assert!(world.state.failures.is_empty());
        assert_eq!(world.succeed(&stage[0]), [], "too late");
        world.run(restore(good));
        assert_eq!(world.run(restore(good)), [], "the same again: nothing");
        world.finish_all();
        assert!(world.cluster("test").is_converged());
        assert_eq!(world.cluster("test").restore, None);
    }
}

#[test]
fn a_cluster_goes_on_while_a_backup_is_fetched_and_unpacked() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(restore(backup));
    let stage = ends(&world, ".stage").remove(0);
    let (message, class) = ("the store is away".to_owned(), FailureClass::Transient);
    world.report(&stage, JobResult::Failed { message, class });
    world.finish_all();
    assert!(world.cluster("test").restore.is_some());
    assert!(world.cluster("test").answers(), "its add-ons are kept as before");
    back_up(&mut world);
}

#[test]
fn a_node_is_at_rest_while_it_is_stopped_and_not_after_a_restore() {
    let mut world = newest();
    let rests = |world: &World| world.cluster("test").is_at_rest(&name("cp-1"));
    let hibernate = |hibernated| HibernateClusterV1 { name: name("test"), hibernated };
    for (hibernated, rest) in [(true, true), (false, false)] {
        world.run(hibernate(hibernated));
        assert!(!rests(&world), "it stops, or starts");
        world.finish_all();
        assert_eq!(rests(&world), rest);
    }
    let backup = back_up(&mut world);
    world.run(restore(backup));
    finish(&mut world, ".stage");
    assert!(!rests(&world), "it stops");
    finish(&mut world, ".stop");
    assert!(rests(&world));
    finish(&mut world, ".restore");
    assert!(!rests(&world), "it starts");
    world.finish_all();
    // What has stopped for the restore runs now, also where the certificates are new ones.
    assert!(world.node("test", "cp-1").done.contains(&JobKind::StopNode));
    assert!(!rests(&world));
}

#[test]
fn all_stop_once_the_backup_is_unpacked_and_the_first_member_goes_first() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(restore(backup));
    let stage = ends(&world, ".stage").remove(0);
    assert_eq!(kinds(&world.succeed(&stage)), ["JobSucceeded", "RestoreStaged"]);
    assert_eq!(ends(&world, ".stop").len(), 3);
    finish(&mut world, ".stop");
    let first = ends(&world, ".restore");
    assert!(first.len() == 1 && first[0].starts_with("node.test.cp-1."), "{first:?}");
    world.succeed(&first[0]);
    assert_eq!(ends(&world, ".restore").len(), 2, "the others lose theirs now");
    assert_eq!(ends(&world, ".etcd").len(), 0);
    finish(&mut world, ".restore");
    let joined = |n: &str| world.node("test", n).joined;
    assert_eq!([joined("cp-1"), joined("cp-2"), joined("cp-3")], [true, false, false]);
    while world.cluster("test").restore.is_some() {
        let job = world.owed().remove(0);
        world.succeed(&job);
    }
    assert_eq!(ends(&world, ".etcd").len(), 3, "what was kept is removed: {:?}", world.owed());
    world.finish_all();
    assert!(world.cluster("test").is_converged());
}

/// A world in which a restore is on its way, and so many of its jobs are done. None where it
/// ended before.
fn restoring(done: usize) -> Option<(World, BackupId)> {
    let mut world = newest();
    let backups = [back_up(&mut world), back_up(&mut world)];
    world.run(restore(backups[0]));
    for _ in 0..done {
        let job = world.owed().remove(0);
        world.succeed(&job);
    }
    world.cluster("test").restore.is_some().then_some((world, backups[1]))
}

#[test]
fn a_restore_is_aborted_at_any_moment() {
    let mut put_back = 0;
    for done in 0.. {
        let Some((mut world, _)) = restoring(done) else { break };
        let swapped = ["cp-1", "cp-2", "cp-3"]
            .map(|n| world.node("test", n).done.contains(&JobKind::RestoreEtcd))
            .contains(&true);
        world.run(abort());
        if world.cluster("test").restore.is_some() {
            assert_eq!(world.run(abort()), [], "again: nothing");
            finish(&mut world, ".stop");
            assert_eq!(ends(&world, ".restore").len(), 3, "all get theirs back");
            put_back += 1;
        }
        assert!(!swapped || put_back > 0);
        world.finish_all();
        assert!(world.cluster("test").is_converged(), "after {done}: {:?}", world.owed());
        assert_eq!(world.cluster("test").restore, None);
        for n in ["cp-1", "cp-2", "cp-3"] {
            assert!(world.node("test", n).joined, "{n} after {done}");
        }
    }
    assert!(put_back > 3);
    assert_eq!(newest().rejection(abort()), "no-restore");
}

#[test]
fn another_backup_is_restored_at_any_moment_and_what_was_first_is_kept() {
    for done in 0.. {
        let Some((mut world, other)) = restoring(done) else { break };
        let before = world.cluster("test").restore.clone().unwrap().before;
        world.run(restore(other));
        let restore = world.cluster("test").restore.clone().unwrap();
        assert_eq!((restore.backup, restore.stage), (other, RestoreStage::Staging));
        assert_eq!(restore.before, before);
        assert_eq!(ends(&world, ".etcd").is_empty(), before.is_some(), "stopped stays stopped");
        world.finish_all();
        assert!(world.cluster("test").is_converged(), "after {done}: {:?}", world.owed());
        assert_eq!(world.cluster("test").restore, None);
    }
}

/// The hypervisor of a node is seen to answer, or not to.
fn reach(world: &mut World, n: &str, reachable: bool) {
    let place = place_of(world, n);
    world.run(seen(&place, reachable));
}

/// A restore on what is left of three members, whose new data is in place.
fn swapped_without_a_majority() -> World {
    let mut world = newest();
    let backup = back_up(&mut world);
    reach(&mut world, "cp-1", false);
    reach(&mut world, "cp-2", false);
    world.run(restore(backup));
    let stage = ends(&world, ".stage");
    assert!(stage.len() == 1 && stage[0].starts_with("node.test.cp-3."), "{stage:?}");
    world.succeed(&stage[0]);
    let of_third = |world: &World, step| {
        let owed = ends(world, step).into_iter().find(|job| job.starts_with("node.test.cp-3."));
        owed.unwrap()
    };
    world.succeed(&of_third(&world, ".stop"));
    world.succeed(&of_third(&world, ".restore"));
    world
}

#[test]
fn members_that_are_away_are_given_up_once_the_restored_data_serves() {
    for back in [false, true] {
        let mut world = swapped_without_a_majority();
        if back {
            reach(&mut world, "cp-1", true);
            reach(&mut world, "cp-2", true);
        }
        let of = |world: &World, n: &str| -> Vec<String> {
            let prefix = format!("node.test.{n}.");
            world.owed().into_iter().filter(|job| job.starts_with(&prefix)).collect()
        };
        for n in ["cp-1", "cp-2"] {
            let owed = of(&world, n);
            assert!(owed.len() == 1 && owed[0].ends_with(".stop"), "it keeps its data: {owed:?}");
            assert!(!world.node("test", n).joined, "nobody asks it for the membership");
        }
        while world.cluster("test").restore.is_some() {
            assert_eq!(names(&world), ["cp-1", "cp-2", "cp-3", "lb-1"]);
            assert!(world.state.hypervisors.values().all(|h| h.orphans.is_empty()));
            let job = owed_jobs(&world).remove(0);
            world.succeed(&job);
        }
        settle(&mut world);
        assert_eq!(names(&world), ["cp-3", "lb-1"]);
        assert!(world.cluster("test").is_converged());
        let left = world.state.hypervisors.values().map(|h| h.orphans.len()).sum::<usize>();
        assert_eq!(left, if back { 0 } else { 2 });
    }
}

#[test]
fn an_abort_waits_for_the_members_that_have_the_data() {
    let mut world = swapped_without_a_majority();
    world.run(abort());
    settle(&mut world);
    assert!(world.cluster("test").restore.is_some(), "one of three is no majority");
    assert_eq!(names(&world), ["cp-1", "cp-2", "cp-3", "lb-1"]);
    reach(&mut world, "cp-1", true);
    reach(&mut world, "cp-2", true);
    settle(&mut world);
    assert_eq!(world.cluster("test").restore, None);
    assert_eq!(names(&world), ["cp-1", "cp-2", "cp-3", "lb-1"]);
    for n in ["cp-1", "cp-2", "cp-3"] {
        assert!(world.node("test", n).joined, "{n}");
    }
}

#[test]
fn an_abort_does_without_a_minority_which_then_leaves_the_membership() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(restore(backup));
    for step in [".stage", ".stop", ".restore"] {
        finish(&mut world, step);
    }
    reach(&mut world, "cp-2", false);
    world.run(abort());
    while world.cluster("test").restore.is_some() {
        assert_eq!(names(&world), ["cp-1", "cp-2", "cp-3", "lb-1"]);
        assert_eq!(ends(&world, ".leave"), [] as [String; 0], "while nothing serves");
        let job = owed_jobs(&world).remove(0);
        world.succeed(&job);
    }
    let leave = ends(&world, ".leave");
    assert!(leave.len() == 1 && leave[0].starts_with("node.test.cp-2."), "{leave:?}");
    settle(&mut world);
    assert_eq!(names(&world), ["cp-1", "cp-3", "lb-1"]);
    assert!(world.cluster("test").is_converged());
}

#[test]
fn hypervisors_that_are_away_for_a_moment_take_nobody_from_an_abort() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(restore(backup));
    for step in [".stage", ".stop", ".restore"] {
        finish(&mut world, step);
    }
    for n in ["cp-1", "cp-2"] {
        reach(&mut world, n, false);
    }
    world.run(abort());
    assert_eq!(world.run(abort()), [], "again: nothing");
    for n in ["cp-1", "cp-2"] {
        reach(&mut world, n, true);
    }
    world.finish_all();
    assert_eq!(names(&world), ["cp-1", "cp-2", "cp-3", "lb-1"]);
    assert_eq!(world.cluster("test").restore, None);
    assert!(world.node("test", "cp-1").joined && world.node("test", "cp-2").joined);
}

#[test]
fn an_abort_is_asked_for_again_where_others_are_away_now() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(restore(backup));
    for step in [".stage", ".stop", ".restore"] {
        finish(&mut world, step);
    }
    reach(&mut world, "cp-1", false);
    world.run(abort());
    reach(&mut world, "cp-1", true);
    reach(&mut world, "cp-2", false);
    assert_eq!(kinds(&world.run(abort())), ["RestoreAborted"]);
    settle(&mut world);
    assert_eq!(names(&world), ["cp-1", "cp-3", "lb-1"]);
    assert_eq!(world.cluster("test").restore, None);
}

#[test]
fn a_restore_that_waits_for_a_hypervisor_is_asked_for_again_without_it() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(restore(backup));
    finish(&mut world, ".stage");
    reach(&mut world, "cp-2", false);
    settle(&mut world);
    assert!(world.cluster("test").restore.is_some(), "it waits");
    assert_eq!(kinds(&world.run(restore(backup))), ["RestoreStarted"]);
    settle(&mut world);
    assert_eq!(names(&world), ["cp-1", "cp-3", "lb-1"]);
    assert_eq!(world.cluster("test").restore, None);
}

#[test]
fn a_member_on_its_way_out_stays_until_a_restore_has_ended() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(remove("test", "cp-2"));
    world.run(restore(backup));
    finish(&mut world, ".stage");
    let of_second = |world: &World| -> Vec<String> {
        world.owed().into_iter().filter(|job| job.starts_with("node.test.cp-2.")).collect()
    };
    let owed = of_second(&world);
    assert!(owed.len() == 1 && owed[0].ends_with(".stop"), "{owed:?}");
    reach(&mut world, "cp-2", false);
    world.run(abort());
    assert!(world.cluster("test").nodes.contains_key(&name::<NodeName>("cp-2")));
    while world.cluster("test").restore.is_some() {
        assert_eq!(ends(&world, ".leave"), [] as [String; 0]);
        let job = owed_jobs(&world).remove(0);
        world.succeed(&job);
    }
    assert_eq!(ends(&world, ".leave").len(), 1, "the membership from before knows it");
    settle(&mut world);
    assert_eq!(names(&world), ["cp-1", "cp-3", "lb-1"]);
}

#[test]
fn a_member_whose_place_is_taken_stays_until_a_restore_has_ended() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(ReplaceNodeV1 { cluster: name("test"), name: name("cp-1") });
    world.run(restore(backup));
    finish(&mut world, ".stage");
    while world.cluster("test").restore.is_some() {
        assert!(!world.node("test", "cp-1").removing);
        let job = owed_jobs(&world).remove(0);
        world.succeed(&job);
    }
    settle(&mut world);
    assert_eq!(names(&world), ["cp-1-r2", "cp-2", "cp-3", "lb-1"]);
}

#[test]
fn a_cluster_that_a_restore_has_stopped_is_not_put_to_sleep() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(restore(backup));
    finish(&mut world, ".stage");
    let later = ScheduleDeletionV1 { name: name("test"), grace_ms: MINUTE };
    assert_eq!(world.rejection(later.clone()), "restore-running");
    world.finish_all();
    assert_eq!(world.cluster("test").restore, None);
    world.run(later);
}

#[test]
fn no_member_comes_during_a_restore_unless_none_answers() {
    let mut world = newest();
    let backup = back_up(&mut world);
    let member = node("test", "cp-4", Role::ControlPlane);
    world.run(restore(backup));
    assert_eq!(world.rejection(member.clone()), "restore-running");
    finish(&mut world, ".stage");
    assert_eq!(world.rejection(member.clone()), "restore-running");
    let all = ["cp-1", "cp-2", "cp-3"];
    all.iter().for_each(|n| reach(&mut world, n, false));
    assert_eq!(world.rejection(restore(backup)), "nowhere-to-restore");
    world.run(member);
    let mut aborted = world.clone();
    world.run(restore(backup));
    settle(&mut world);
    assert_eq!(names(&world), ["cp-4", "lb-1"]);
    assert_eq!(world.cluster("test").restore, None);
    // It is no member of what there was before: it joins that.
    all.iter().for_each(|n| reach(&mut aborted, n, true));
    aborted.run(abort());
    for step in [".stop", ".restore"] {
        finish(&mut aborted, step);
    }
    assert!(!aborted.node("test", "cp-4").joined && aborted.node("test", "cp-1").joined);
    finish(&mut aborted, ".etcd");
    // From then on it is one, whatever is asked for.
    let mut again = aborted.clone();
    reach(&mut again, "cp-1", false);
    assert_eq!(kinds(&again.run(abort())), ["RestoreAborted"]);
    finish(&mut again, ".stop");
    for job in ends(&again, ".restore") {
        again.succeed(&job);
    }
    assert!(again.node("test", "cp-4").joined);
    settle(&mut aborted);
    assert_eq!(names(&aborted), ["cp-1", "cp-2", "cp-3", "cp-4", "lb-1"]);
    assert_eq!(aborted.cluster("test").restore, None);
    assert!(aborted.node("test", "cp-4").joined);
}

#[test]
fn a_restore_that_cannot_go_on_is_asked_for_again() {
    let mut world = newest();
    let backup = back_up(&mut world);
    world.run(restore(backup));
    finish(&mut world, ".stage");
    finish(&mut world, ".stop");
    let (message, class) = ("it is gone".to_owned(), FailureClass::Permanent);
    world.report(&ends(&world, ".restore")[0], JobResult::Failed { message, class });
    assert_eq!(kinds(&world.run(restore(backup))), ["RestoreStarted"]);
    world.finish_all();
    assert!(world.cluster("test").is_converged());
    assert_eq!(world.cluster("test").restore, None);
}
