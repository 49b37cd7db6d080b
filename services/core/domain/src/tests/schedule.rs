//! In which order owed jobs are offered.
#![allow(clippy::unwrap_used, missing_docs)]

use crate::support::*;
use crate::*;
use oi_events::*;

const WIDE: Limits = Limits { jobs: 1000, per_hypervisor: 1000 };

fn schedule(world: &World, limits: Limits) -> Schedule {
    let mut schedule = Schedule::new(limits);
    Scope::all(&world.state).for_each(|scope| schedule.look(&world.state, &scope));
    schedule
}

/// All that there is room for: `cluster step` of each.
fn offered(schedule: &mut Schedule) -> Vec<String> {
    let short = |job: Job| format!("{} {}", job.cluster.unwrap(), job.kind.token());
    std::iter::from_fn(|| schedule.take()).map(short).collect()
}

/// New clusters of one node each, whose two steps are owed.
fn create(world: &mut World, names: &[&str]) {
    for text in names {
        world.run(cluster(text));
        world.run(node(text, "cp-1", Role::ControlPlane));
    }
}

#[test]
fn clusters_take_turns() {
    let mut world = World::with_hypervisors();
    create(&mut world, &["a", "b", "c"]);
    assert_eq!(
        offered(&mut schedule(&world, WIDE)),
        ["a etcd", "b etcd", "c etcd", "a control-plane", "b control-plane", "c control-plane"]
    );
}

#[test]
fn what_heals_comes_first_and_what_tidies_up_last() {
    let mut world = World::with_cluster();
    create(&mut world, &["gone"]);
    world.finish_all();
    create(&mut world, &["new"]);
    world.run(DeleteClusterV2 { name: name("gone"), forget_orphans: true });
    world.run(node("test", "cp-2", Role::ControlPlane));
    let order = offered(&mut schedule(&world, WIDE));
    let at = |job: &str| order.iter().position(|o| o == job).unwrap();
    assert!(at("test etcd") < at("new etcd"), "{order:?}");
    assert!(at("new control-plane") < at("gone remove"), "{order:?}");
}

#[test]
fn room_is_kept_for_what_heals() {
    let mut world = World::with_cluster();
    create(&mut world, &["a", "b", "c", "d"]);
    let mut schedule = schedule(&world, Limits { jobs: 4, ..WIDE });
    assert_eq!(offered(&mut schedule), ["a etcd", "b etcd", "c etcd"], "three quarters");
    world.run(node("test", "cp-2", Role::ControlPlane));
    schedule.look(&world.state, &Scope::Cluster(name("test")));
    assert_eq!(offered(&mut schedule), ["test etcd"]);
    assert_eq!(schedule.owed(), world.owed().len());
}

#[test]
fn a_hypervisor_gets_no_more_than_it_can_do() {
    let mut world = World::with_hypervisors();
    create(&mut world, &["a", "b", "c", "d", "e", "f"]);
    let mut schedule = schedule(&world, Limits { per_hypervisor: 2, ..WIDE });
    let first = offered(&mut schedule);
    assert_eq!(first.len(), 2, "one on each of two private hypervisors: {first:?}");
    // What is done makes room, also where it failed.
    let job = schedule.in_flight().next().unwrap().id.0.clone();
    world.report(
        &job,
        JobResult::Failed { message: "no disk".to_owned(), class: FailureClass::Transient },
    );
    Scope::all(&world.state).for_each(|scope| schedule.look(&world.state, &scope));
    assert_eq!(offered(&mut schedule).len(), 1);
}

#[test]
fn nothing_waits_for_ever() {
    let mut world = World::with_cluster();
    create(&mut world, &["gone"]);
    world.finish_all();
    create(&mut world, &["a", "b", "c", "d"]);
    world.run(DeleteClusterV2 { name: name("gone"), forget_orphans: true });
    let order = offered(&mut schedule(&world, Limits { jobs: 4, ..WIDE }));
    assert_eq!(order, ["a etcd", "b etcd", "c etcd", "gone remove"], "one, beyond its share");
}
