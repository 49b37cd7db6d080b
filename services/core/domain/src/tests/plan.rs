//! A plan names what then happens.
#![allow(clippy::unwrap_used)]

use crate::support::*;
use crate::tests::scenario::*;
use crate::*;
use oi_events::*;

/// A plan names what then happens: the same events and the same jobs.
fn as_planned(world: &mut World, command: impl Into<Command>) {
    let envelope = world.envelope(command);
    let planned = plan(&world.state, std::slice::from_ref(&envelope), world.now_ms);
    assert_eq!(planned.position, world.state.position);
    let before = world.owed();
    match world.try_run(envelope.command.clone()) {
        Err(rejection) => {
            assert_eq!(planned.refused.unwrap().code(), rejection.code());
            assert!(planned.events.is_empty() && planned.jobs.is_empty());
        }
        Ok(mut events) => {
            assert!(planned.refused.is_none());
            let mut jobs: Vec<(JobId, JobKind, Option<NodeName>, Option<HypervisorName>)> =
                Vec::new();
            loop {
                let all = owed(&world.state);
                let next = all.iter().find(|j| {
                    !before.contains(&j.id.0)
                        && !jobs.iter().any(|(id, ..)| *id == j.id)
                        && can_do(world, j)
                });
                let Some(job) = next.cloned() else {
                    let rotates = world.rotates();
                    let renewal = due(&world.state, world.now_ms).into_iter().find(|c| {
                        rotates && matches!(c, Command::Node(NodeCommand::RenewCertificates(_)))
                    });
                    let Some(renewal) = renewal else { break };
                    events.extend(world.run(renewal));
                    continue;
                };
                jobs.push((job.id.clone(), job.kind, job.node.clone(), job.hypervisor));
                events.extend(world.succeed(&job.id.0));
            }
            events.retain(|e| !matches!(e, Event::Job(JobEvent::JobSucceeded(_))));
            assert_eq!(kinds(&planned.events), kinds(&events), "{envelope:?}");
            let mut done: Vec<_> = jobs.into_iter().map(|(_, k, n, h)| (k, n, h)).collect();
            let mut foreseen: Vec<_> = planned
                .jobs
                .into_iter()
                .filter(|j| !j.waits)
                .map(|j| (j.job.kind, j.job.node, j.job.hypervisor))
                .collect();
            done.sort();
            foreseen.sort();
            assert_eq!(foreseen, done, "{envelope:?}");
        }
    }
}

#[test]
fn what_a_plan_says_is_what_each_command_does() {
    let mut world = three();
    let test = || name::<ClusterName>("test");
    as_planned(&mut world, hypervisor(9));
    as_planned(&mut world, CordonHypervisorV1 { name: name("hv-9"), cordoned: true });
    as_planned(&mut world, UnregisterHypervisorV1 { name: name("hv-9") });
    as_planned(&mut world, cluster("test"));
    as_planned(&mut world, cluster("other"));
    as_planned(&mut world, node("test", "cp-4", Role::ControlPlane));
    as_planned(&mut world, node("test", "lb-2", Role::ControlPlaneIngress));
    as_planned(&mut world, remove("test", "cp-4"));
    as_planned(&mut world, remove("test", "cp-4"));
    as_planned(&mut world, ReplaceNodeV1 { cluster: test(), name: name("cp-1") });
    as_planned(&mut world, BackupClusterV1 { name: test() });
    as_planned(&mut world, ScheduleBackupsV1 { name: test(), every_ms: MINUTE, keep: 1 });
    let backup = back_up(&mut world);
    as_planned(&mut world, RestoreClusterV1 { name: test(), backup });
    as_planned(&mut world, CloneClusterV1 { name: name("copy"), source: test(), backup });
    as_planned(&mut world, DeleteBackupV1 { cluster: test(), backup });
    as_planned(&mut world, scale([Some(4), None, Some(2)]));
    as_planned(&mut world, scale([Some(2), Some(1), Some(1)]));
    as_planned(&mut world, rotate(RotationStep::Start));
    as_planned(&mut world, rotate(RotationStep::Switch));
    as_planned(&mut world, rotate(RotationStep::Finish));
    as_planned(&mut world, upgrade("v1.36.4"));
    as_planned(&mut world, ChangeUpgradeV1 { name: test(), change: UpgradeChange::Pause });
    as_planned(&mut world, HibernateClusterV1 { name: test(), hibernated: true });
    as_planned(&mut world, HibernateClusterV1 { name: test(), hibernated: false });
    as_planned(&mut world, ScheduleDeletionV1 { name: test(), grace_ms: MINUTE });
    as_planned(&mut world, UndeleteClusterV1 { name: test() });
    as_planned(&mut world, RenewCertificatesV1 { cluster: test(), node: name("cp-2") });
    as_planned(&mut world, RetryJobV1 { job: JobId("node.test.cp-2.1.etcd".to_owned()) });
    let away = place_of(&world, "cp-2");
    world.run(seen(&away, false));
    as_planned(&mut world, ReplaceNodeV1 { cluster: test(), name: name("cp-2") });
    as_planned(&mut world, ForgetOrphansV1 { name: name(&away) });
    as_planned(&mut world, DeleteClusterV2 { name: test(), forget_orphans: false });
}

#[test]
fn a_plan_is_refused_once_the_log_has_moved_on() {
    let mut world = three();
    let mut envelope = world.envelope(upgrade("v1.36.4"));
    envelope.expected_position = Some(plan(&world.state, &[], world.now_ms).position);
    assert!(world.decide(&envelope).is_ok());
    world.run(cluster("other"));
    assert_eq!(world.decide(&envelope).unwrap_err().code().as_str(), "position-moved");
}

#[test]
fn a_plan_waits_for_what_its_own_commands_set_going() {
    let mut world = World::with_cluster();
    let plan_of = |world: &World, commands: &[Command]| {
        let all: Vec<_> = commands.iter().map(|c| world.envelope(c.clone())).collect();
        plan(&world.state, &all, world.now_ms)
    };
    let add: Command = node("test", "cp-a", Role::ControlPlane).into();
    let remove: Command = remove("test", "cp-1").into();
    let planned = plan_of(&world, &[add.clone(), remove.clone()]);
    assert!(planned.refused.is_none(), "{:?}", planned.refused);
    assert!(kinds(&planned.events).contains(&"NodeRemoved"));
    assert_eq!(
        plan_of(&world, std::slice::from_ref(&remove)).refused.unwrap().code().as_str(),
        "last-control-plane"
    );
    // What somebody else set going is not waited for.
    world.run(add);
    assert_eq!(plan_of(&world, &[remove]).refused.unwrap().code().as_str(), "membership-busy");
}
