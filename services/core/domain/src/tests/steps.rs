//! What can happen to a world, at random.

use crate::support::*;
use crate::*;
use oi_events::*;
use proptest::prelude::*;
use std::sync::Arc;

/// Something that happens to a world; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Register(u8),
    Cordon(u8, bool),
    Reach(u8, bool),
    Create(u8),
    Delete(u8),
    Add(u8, u8, bool),
    Remove(u8, u8),
    Finish(usize, bool),
    DeadLetter(usize),
    Wait(u32),
    Replace(u8, u8),
    Upgrade(u8, u8),
    ChangeUpgrade(u8, u8),
    Hibernate(u8, bool),
    ScheduleDeletion(u8, bool),
    ForgetOrphans(u8),
    Scale(u8, [Option<u32>; 3]),
    Break(u8, u8),
    Backup(u8),
    Taken(u8),
    Restore(u8, u8),
    AbortRestore(u8),
    Schedule(u8, u32),
    Rotate(u8, u8),
    Addons(u8, bool),
    Token(u8),
    Revoke(u8),
    Repaired(u8),
    TunnelNeeded(u8, u8),
    Tunnel(u8),
    Link(u8, u8),
    Unlink(u8, u8),
    Endpoint(u8, Option<u8>, u16),
    Users(u8, u8),
    Share(u8, Vec<u16>),
    Strays(u8, u16),
    Sans(u8, u8),
    Update(u8, u16, bool),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let n = 0..4_u8;
    prop_oneof![
        2 => (0..7_u8).prop_map(Step::Register),
        1 => (0..7_u8, any::<bool>()).prop_map(|(h, c)| Step::Cordon(h, c)),
        1 => (0..7_u8, any::<bool>()).prop_map(|(h, c)| Step::Reach(h, c)),
        2 => n.clone().prop_map(Step::Create),
        1 => n.clone().prop_map(Step::Delete),
        6 => (n.clone(), 0..5_u8, any::<bool>()).prop_map(|(c, m, i)| Step::Add(c, m, i)),
        2 => (n.clone(), 0..5_u8).prop_map(|(c, m)| Step::Remove(c, m)),
        2 => (n.clone(), 0..5_u8).prop_map(|(c, m)| Step::Replace(c, m)),
        1 => (n.clone(), 2..6_u8).prop_map(|(c, p)| Step::Upgrade(c, p)),
        1 => (n.clone(), 0..3_u8).prop_map(|(c, k)| Step::ChangeUpgrade(c, k)),
        1 => (n.clone(), any::<bool>()).prop_map(|(c, s)| Step::Hibernate(c, s)),
        1 => (n, any::<bool>()).prop_map(|(c, b)| Step::ScheduleDeletion(c, b)),
        1 => (0..7_u8).prop_map(Step::ForgetOrphans),
        2 => (0..4_u8, prop::array::uniform3(prop::option::of(1..4_u32)))
            .prop_map(|(c, n)| Step::Scale(c, n)),
        1 => (0..4_u8, 0..5_u8).prop_map(|(c, m)| Step::Break(c, m)),
        2 => (0..4_u8, 0..4_u8).prop_map(|(c, s)| Step::Rotate(c, s)),
        2 => (0..4_u8, any::<bool>()).prop_map(|(c, dns)| Step::Addons(c, dns)),
        2 => (0..4_u8).prop_map(Step::Token),
        1 => (0..4_u8).prop_map(Step::Revoke),
        1 => (0..4_u8).prop_map(Step::Repaired),
        1 => (0..4_u8, 0..3_u8).prop_map(|(n, k)| Step::TunnelNeeded(n, k)),
        1 => (0..4_u8).prop_map(Step::Tunnel),
        2 => (0..4_u8, 0..20_u8).prop_map(|(c, k)| Step::Link(c, k)),
        1 => (0..4_u8, 0..20_u8).prop_map(|(c, k)| Step::Unlink(c, k)),
        // Ports that nodes also may have, a name for each or an address, forwarded or not.
        2 => (0..4_u8, prop::option::of(0..6_u8), 29_998..30_006_u16)
            .prop_map(|(c, host, port)| Step::Endpoint(c, host, port)),
        1 => (0..4_u8, 0..3_u8).prop_map(|(c, n)| Step::Users(c, n)),
        1 => (0..7_u8, prop::collection::vec(29_998..30_004_u16, 0..3))
            .prop_map(|(h, ports)| Step::Share(h, ports)),
        1 => (0..7_u8, 29_998..30_012_u16).prop_map(|(h, port)| Step::Strays(h, port)),
        1 => (0..4_u8, 0..3_u8).prop_map(|(c, n)| Step::Sans(c, n)),
        1 => (0..7_u8, 29_998..30_012_u16, any::<bool>())
            .prop_map(|(h, high, moves)| Step::Update(h, high, moves)),
        1 => (0..4_u8).prop_map(Step::Backup),
        2 => (0..4_u8).prop_map(Step::Taken),
        1 => (0..4_u8, 0..4_u8).prop_map(|(c, d)| Step::Restore(c, d)),
        1 => (0..4_u8).prop_map(Step::AbortRestore),
        1 => (0..4_u8, 0..3_u32).prop_map(|(c, keep)| Step::Schedule(c, keep)),
        8 => (any::<usize>(), prop::bool::weighted(0.8)).prop_map(|(j, ok)| Step::Finish(j, ok)),
        1 => any::<usize>().prop_map(Step::DeadLetter),
        1 => (0..90_000_u32).prop_map(Step::Wait),
    ]
}

/// A world with a cluster `c0` for worker nodes, one of which has a link to its tunnel. Steps at
/// random hardly ever come so far.
pub(super) fn linked() -> World {
    let mut world = World::with_hypervisors();
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    for step in [
        Step::Create(0),
        Step::Add(0, 0, false),
        Step::Add(0, 1, true),
        Step::Addons(0, true),
        Step::Tunnel(0),
        Step::Link(0, 0),
    ] {
        take(&mut world, step);
        world.finish_all();
    }
    world
}

/// Does a step. A rejection is as good as an event here.
pub(super) fn take(world: &mut World, step: Step) {
    match step {
        Step::Finish(j, ok) => {
            if let Some(job) = pick(&world.owed(), j) {
                let class =
                    if j % 7 == 0 { FailureClass::Permanent } else { FailureClass::Transient };
                let failed = JobResult::Failed { message: "x".to_owned(), class };
                if ok {
                    world.succeed(&job)
                } else {
                    world.report(&job, failed)
                };
            }
        }
        Step::DeadLetter(j) => {
            if let Some(job) = pick(&world.owed(), j) {
                world.report(&job, JobResult::DeadLettered);
            }
        }
        Step::Wait(ms) => {
            world.now_ms += u64::from(ms);
            let mut commands = due(&world.state, world.now_ms);
            commands.extend(lost(&world.state, world.now_ms, 60_000));
            for command in commands {
                // One may make the next one needless.
                drop(world.try_run(command));
            }
        }
        asked => {
            if let Some(command) = command(world, asked) {
                drop(world.try_run(command));
            }
        }
    }
}

fn pick(owed: &[String], n: usize) -> Option<String> {
    (!owed.is_empty()).then(|| owed[n % owed.len()].clone())
}

fn c(n: u8) -> ClusterName {
    name(&format!("c{n}"))
}

fn h(n: u8) -> HypervisorName {
    name(&format!("hv-{n}"))
}

fn m(n: u8) -> NodeName {
    name(&format!("n{n}"))
}

fn seen(observation: Observation) -> Command {
    ReportObservationV1 { observation }.into()
}

/// The command of a step; none where there is nothing that it could be about.
fn command(world: &World, step: Step) -> Option<Command> {
    Some(match step {
        Step::Finish(..) | Step::DeadLetter(_) | Step::Wait(_) => return None,
        Step::Register(n) => hypervisor(n).into(),
        Step::Cordon(n, cordoned) => CordonHypervisorV1 { name: h(n), cordoned }.into(),
        Step::Share(n, ports) => SharePortsV1 { name: h(n), ports }.into(),
        Step::Strays(n, port) => {
            let generation = world.state.hypervisors.get(&h(n))?.generation;
            let strays = StraysV1 { ports: vec![port], ..StraysV1::default() };
            seen(Observation::StraysSeen { name: h(n), generation, strays })
        }
        Step::ForgetOrphans(n) => ForgetOrphansV1 { name: h(n) }.into(),
        Step::Reach(n, true) => {
            seen(Observation::HypervisorReachable { name: h(n), runtime: "r".to_owned() })
        }
        Step::Reach(n, false) => {
            seen(Observation::HypervisorUnreachable { name: h(n), reason: "r".to_owned() })
        }
        Step::Create(n) => cluster(c(n).as_str()).into(),
        Step::Delete(n) => DeleteClusterV2 { name: c(n), forget_orphans: false }.into(),
        Step::ScheduleDeletion(n, true) => {
            ScheduleDeletionV1 { name: c(n), grace_ms: 50_000 }.into()
        }
        Step::ScheduleDeletion(n, false) => UndeleteClusterV1 { name: c(n) }.into(),
        Step::Hibernate(n, hibernated) => HibernateClusterV1 { name: c(n), hibernated }.into(),
        Step::Add(n, k, ingress) => {
            let role = if ingress { Role::ControlPlaneIngress } else { Role::ControlPlane };
            node(c(n).as_str(), m(k).as_str(), role).into()
        }
        Step::Remove(n, k) => remove(c(n).as_str(), m(k).as_str()).into(),
        Step::Replace(n, k) => ReplaceNodeV1 { cluster: c(n), name: m(k) }.into(),
        Step::Break(n, k) => broken(world, c(n), m(k))?,
        Step::Scale(n, [api_servers, controller_managers, schedulers]) => {
            ScaleClusterV1 { name: c(n), api_servers, controller_managers, schedulers }.into()
        }
        Step::Upgrade(n, patch) => {
            UpgradeClusterV1 { name: c(n), to: name(&format!("v1.36.{patch}")) }.into()
        }
        Step::ChangeUpgrade(n, k) => {
            let all = [UpgradeChange::Pause, UpgradeChange::Resume, UpgradeChange::RollBack];
            ChangeUpgradeV1 { name: c(n), change: all[usize::from(k)] }.into()
        }
        Step::Rotate(n, step) => {
            use RotationStep::*;
            let step = [Start, Switch, Finish, Abort][usize::from(step)];
            RotateCaV1 { name: c(n), step }.into()
        }
        Step::Backup(n) => BackupClusterV1 { name: c(n) }.into(),
        Step::Taken(n) => taken(world, c(n))?,
        Step::Restore(n, to) => restore(world, c(n), c(to))?,
        Step::AbortRestore(n) => AbortRestoreV1 { name: c(n) }.into(),
        Step::Schedule(n, keep) => {
            let every_ms = if keep == 2 { 0 } else { 20_000 };
            ScheduleBackupsV1 { name: c(n), every_ms, keep }.into()
        }
        Step::Addons(n, dns) => {
            let addons = Addons { cni: Cni::Flannel, kube_proxy: true, dns };
            SetAddonsV1 { cluster: c(n), addons }.into()
        }
        Step::Token(n) => {
            let (end, description) = (TokenEnd::After(60_000), String::new());
            CreateJoinTokenV2 { cluster: c(n), end, description }.into()
        }
        Step::Revoke(n) => {
            let token = addons(world, &c(n))?.tokens.into_keys().next()?;
            RevokeJoinTokenV1 { cluster: c(n), token }.into()
        }
        Step::Repaired(n) => {
            let generation = addons(world, &c(n))?.generation;
            let objects = vec!["ConfigMap a/b".to_owned()];
            seen(Observation::DriftRepaired { cluster: c(n), generation, objects })
        }
        Step::TunnelNeeded(n, k) => {
            let objects = (0..k).map(|k| format!("APIService v{k}.a.test")).collect();
            seen(Observation::TunnelNeeded { cluster: c(n), objects })
        }
        Step::Tunnel(n) => {
            EnableTunnelV1 { cluster: c(n), cidr: "10.254.0.0/28".to_owned() }.into()
        }
        Step::Link(n, key) => {
            let (cluster, worker, public_key) = (c(n), format!("w{key}"), [key; 32]);
            seen(Observation::PeerRequested { cluster, worker, public_key })
        }
        Step::Unlink(n, key) => {
            let (cluster, worker, public_key) = (c(n), format!("w{key}"), [key; 32]);
            seen(Observation::WorkerGone { cluster, worker, public_key })
        }
        Step::Endpoint(n, host, port) => {
            let endpoint = host.map(|k| Endpoint {
                host: if k < 3 { format!("api-{k}.test") } else { format!("198.51.100.{k}") },
                port,
                forwarded: k % 3 == 2,
            });
            SetEndpointV1 { cluster: c(n), endpoint }.into()
        }
        Step::Sans(n, k) => {
            let extra_sans = (0..k).map(|k| format!("san-{k}.test")).collect();
            SetExtraSansV1 { cluster: c(n), extra_sans }.into()
        }
        Step::Update(n, port_high, moves) => {
            let mut hypervisor = RegisterHypervisorV1 { port_high, ..hypervisor(n) };
            if moves {
                hypervisor.address = std::net::Ipv4Addr::new(192, 0, 2, 100 + n).into();
            }
            UpdateHypervisorV1 { hypervisor }.into()
        }
        Step::Users(n, k) => {
            let issuers = (0..k).map(|k| issuer(&format!("https://id-{k}.test"))).collect();
            SetAuthenticationV1 { cluster: c(n), issuers }.into()
        }
    })
}

fn known(world: &World, name: &ClusterName) -> Option<Arc<Cluster>> {
    world.state.clusters.get(name).cloned()
}

fn addons(world: &World, cluster: &ClusterName) -> Option<InstalledAddons> {
    known(world, cluster)?.addons.clone()
}

fn broken(world: &World, cluster: ClusterName, node: NodeName) -> Option<Command> {
    let generation = known(world, &cluster)?.nodes.get(&node)?.generation;
    let reason = "r".to_owned();
    Some(seen(Observation::MemberBroken { cluster, node, generation, reason }))
}

fn taken(world: &World, cluster: ClusterName) -> Option<Command> {
    let known = known(world, &cluster)?;
    let (&backup, _) = known.backups.iter().find(|(_, b)| b.snapshot.is_none())?;
    Some(seen(Observation::BackupTaken { cluster, backup, snapshot: snapshot() }))
}

fn restore(world: &World, source: ClusterName, to: ClusterName) -> Option<Command> {
    let known = known(world, &source)?;
    let (&backup, _) = known.backups.iter().find(|(_, b)| b.snapshot.is_some())?;
    Some(if source == to {
        RestoreClusterV1 { name: to, backup }.into()
    } else {
        CloneClusterV1 { name: to, source, backup }.into()
    })
}
