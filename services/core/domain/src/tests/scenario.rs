//! A ready cluster of three, and what is done with it, for tests of several features.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::*;
use oi_events::*;

pub(crate) const MINUTE: u64 = 60_000;

/// Six hypervisors, and a ready cluster of three control planes and an ingress.
pub(crate) fn three() -> World {
    let mut world = World::new();
    for n in 0..7 {
        let h = hypervisor(n);
        let name = h.name.clone();
        world.run(h);
        world.run(seen(name.as_str(), true));
    }
    world.finish_all();
    world.run(cluster("test"));
    for n in 1..=3 {
        world.run(node("test", &format!("cp-{n}"), Role::ControlPlane));
    }
    world.run(node("test", "lb-1", Role::ControlPlaneIngress));
    world.finish_all();
    world
}

pub(crate) fn seen(hypervisor: &str, reachable: bool) -> ReportObservationV1 {
    let name = name(hypervisor);
    let observation = if reachable {
        Observation::HypervisorReachable { name, runtime: "containerd".to_owned() }
    } else {
        Observation::HypervisorUnreachable { name, reason: "gone".to_owned() }
    };
    ReportObservationV1 { observation }
}

pub(crate) fn place_of(world: &World, n: &str) -> String {
    world.node("test", n).hypervisor.to_string()
}

/// Enters what time owes, as a decider does, and does all that can be done.
pub(crate) fn settle(world: &mut World) {
    for _ in 0..100 {
        let mut commands = due(&world.state, world.now_ms);
        commands.extend(lost(&world.state, world.now_ms, 5 * MINUTE));
        let jobs: Vec<Job> = owed(&world.state).into_iter().filter(|j| can_do(world, j)).collect();
        if commands.is_empty() && jobs.is_empty() {
            return;
        }
        for command in commands {
            world.run(command);
        }
        if let Some(job) = jobs.first() {
            world.succeed(&job.id.0.clone());
        }
    }
    panic!("no end: {:?}", world.owed());
}

pub(crate) fn can_do(world: &World, job: &Job) -> bool {
    let h = job.hypervisor.as_ref().map(|h| &world.state.hypervisors[h]);
    job.kind == JobKind::LeaveCluster || h.is_none_or(|h| !h.is_away())
}

pub(crate) fn names(world: &World) -> Vec<String> {
    world.cluster("test").nodes.keys().map(ToString::to_string).collect()
}

pub(crate) fn scale(counts: [Option<u32>; 3]) -> ScaleClusterV1 {
    let [api_servers, controller_managers, schedulers] = counts;
    ScaleClusterV1 { name: name("test"), api_servers, controller_managers, schedulers }
}

pub(crate) fn upgrade(to: &str) -> UpgradeClusterV1 {
    UpgradeClusterV1 { name: name("test"), to: name(to) }
}

pub(crate) fn rotate(step: RotationStep) -> RotateCaV1 {
    RotateCaV1 { name: name("test"), step }
}

pub(crate) fn back_up(world: &mut World) -> BackupId {
    let events = world.run(BackupClusterV1 { name: name("test") });
    let Event::Backup(BackupEvent::BackupStarted(started)) = &events[0] else {
        panic!("{events:?}")
    };
    let (cluster, backup) = (name("test"), started.backup);
    let job = world.owed().into_iter().find(|j| j.ends_with(".backup")).unwrap();
    let observation = Observation::BackupTaken { cluster, backup, snapshot: snapshot() };
    let taken = ReportObservationV1 { observation };
    world.run(taken.clone());
    assert_eq!(world.run(taken), [], "the first word counts");
    assert!(!world.owed().contains(&job));
    backup
}
