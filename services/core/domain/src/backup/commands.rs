//! Decisions about backups and restores.

use crate::cluster::Cluster;
use crate::cluster::commands::{created, identities};
use crate::cluster::spec::check_spec;
use crate::decide::Context;
use crate::guards::{known, next_generation, running, settled, staying};
use crate::mint::ENCRYPTION_KEY;
use crate::rejection::Rejection;
use crate::state::State;
use crate::tunnel::commands::TUNNEL_KEY;
use oi_events::{
    AddonsSetV1, AuthenticationSetV1, BackupClusterV1, BackupCommand, BackupExpiredV1, BackupId,
    BackupStartedV1, BackupTakenV1, BackupsScheduledV1, CloneClusterV1, ClusterName, ClusterUid,
    CommandId, CreateClusterV1, DeleteBackupV1, Event, NodeRemovalStartedV1, RestoreClusterV1,
    RestoreStartedV1, Role, ScheduleBackupsV1, SnapshotV1, TunnelEnabledV1,
};

/// Decides a command.
pub(crate) fn decide(
    state: &State,
    id: CommandId,
    command: &BackupCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match command {
        BackupCommand::BackupCluster(c) => start(state, id, c),
        BackupCommand::ScheduleBackups(c) => schedule(state, c),
        BackupCommand::DeleteBackup(c) => delete(state, c),
        BackupCommand::RestoreCluster(c) => restore(state, c),
        BackupCommand::CloneCluster(c) => clone(state, id, c, context),
    }
}

/// More often makes a cluster busy with nothing else.
const SHORTEST_MS: u64 = 10_000;

fn start(state: &State, id: CommandId, c: &BackupClusterV1) -> Result<Vec<Event>, Rejection> {
    let cluster = settled(state, &c.name)?;
    if cluster.control_planes().iter().all(|(_, n)| !n.joined) {
        return Err(Rejection::ClusterBusy(c.name.clone()));
    }
    let (cluster, backup, generation) = (c.name.clone(), BackupId(id.0), next_generation(state));
    Ok(vec![BackupStartedV1 { cluster, backup, generation }.into()])
}

/// Only the first word on a backup counts.
pub(crate) fn taken(
    state: &State,
    cluster: &ClusterName,
    backup: BackupId,
    snapshot: &SnapshotV1,
) -> Vec<Event> {
    let known = state.clusters.get(cluster).and_then(|c| c.backups.get(&backup));
    if known.is_none_or(|b| b.snapshot.is_some() || b.expired) {
        return Vec::new();
    }
    let (cluster, snapshot) = (cluster.clone(), snapshot.clone());
    vec![BackupTakenV1 { cluster, backup, snapshot }.into()]
}

fn schedule(state: &State, c: &ScheduleBackupsV1) -> Result<Vec<Event>, Rejection> {
    let cluster = staying(state, &c.name)?;
    if c.every_ms > 0 && c.every_ms < SHORTEST_MS {
        return Err(Rejection::Invalid {
            field: "every",
            value: format!("{} ms", c.every_ms),
            problem: "it must be 10 s at least, or 0 for never".to_owned(),
        });
    }
    let standing = cluster.schedule.as_ref().map(|s| (s.every_ms, s.keep));
    if standing == (c.every_ms > 0).then_some((c.every_ms, c.keep)) {
        return Ok(Vec::new());
    }
    let (cluster, every_ms, keep) = (c.name.clone(), c.every_ms, c.keep);
    Ok(vec![BackupsScheduledV1 { cluster, every_ms, keep }.into()])
}

pub(crate) fn delete(state: &State, c: &DeleteBackupV1) -> Result<Vec<Event>, Rejection> {
    let cluster = staying(state, &c.cluster)?;
    let (name, backup) = (c.cluster.clone(), c.backup);
    match cluster.backups.get(&backup) {
        None => Err(Rejection::BackupUnknown { cluster: name, backup }),
        Some(b) if b.expired => Ok(Vec::new()),
        Some(_) if cluster.restore.as_ref().is_some_and(|r| r.backup == backup) => {
            Err(Rejection::RestoreRunning(name))
        }
        Some(_) => {
            let generation = next_generation(state);
            Ok(vec![BackupExpiredV1 { cluster: name, backup, generation }.into()])
        }
    }
}

fn snapshot_of<'a>(
    cluster: &'a Cluster,
    name: &ClusterName,
    backup: BackupId,
) -> Result<&'a SnapshotV1, Rejection> {
    let found = cluster.backups.get(&backup).filter(|b| !b.expired);
    found
        .and_then(|b| b.snapshot.as_ref())
        .ok_or_else(|| Rejection::BackupUnknown { cluster: name.clone(), backup })
}

/// All of the cluster stops, its oldest member that answers takes the data, the others
/// join it anew; what is on hypervisors that are away is given up.
fn restore(state: &State, c: &RestoreClusterV1) -> Result<Vec<Event>, Rejection> {
    let cluster = running(state, &c.name)?;
    let snapshot = snapshot_of(cluster, &c.name, c.backup)?.clone();
    if let Some(restore) = &cluster.restore {
        if restore.backup == c.backup {
            return Ok(Vec::new());
        }
        return Err(Rejection::RestoreRunning(c.name.clone()));
    }
    if let Some(upgrade) = &cluster.upgrade {
        let to = upgrade.target().clone();
        return Err(Rejection::UpgradeRunning { cluster: c.name.clone(), to });
    }
    let generation = next_generation(state);
    let away = |h| state.hypervisors.get(h).is_none_or(|h| h.is_away());
    if cluster.control_planes().iter().all(|(_, n)| away(&n.hypervisor)) {
        return Err(Rejection::NowhereToRestore(c.name.clone()));
    }
    let (name, backup, source) = (c.name.clone(), c.backup, cluster.uid);
    let mut events: Vec<Event> =
        vec![RestoreStartedV1 { cluster: name, backup, source, snapshot, generation }.into()];
    for (node, n) in &cluster.nodes {
        let lost = n.role != Role::ControlPlaneIngress && away(&n.hypervisor);
        if lost && !n.removing {
            let (cluster, name) = (c.name.clone(), node.clone());
            events.push(NodeRemovalStartedV1 { cluster, name, generation }.into());
        }
    }
    Ok(events)
}

/// A new cluster like another one. It has authorities of its own, and the key with which
/// the other's Secrets are encrypted.
fn clone(
    state: &State,
    id: CommandId,
    c: &CloneClusterV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    if state.clusters.contains_key(&c.name) {
        return Err(Rejection::ClusterExists(c.name.clone()));
    }
    let source = known(state, &c.source)?;
    let snapshot = snapshot_of(source, &c.source, c.backup)?.clone();
    let like = CreateClusterV1 { name: c.name.clone(), spec: source.spec.clone() };
    check_spec(state, &like.spec)?;
    let uid = ClusterUid(id.0);
    let mut credentials = identities(uid, context)?;
    if let Some(key) = source.credentials.get(ENCRYPTION_KEY) {
        credentials.push(context.mint.reseal(source.uid, key, uid)?);
    }
    let (cluster, backup, generation) = (c.name.clone(), c.backup, next_generation(state));
    let mut events = vec![
        created(uid, &like, credentials),
        RestoreStartedV1 { cluster, backup, source: source.uid, snapshot, generation }.into(),
    ];
    // What the snapshot holds of it says where the other cluster is.
    let addons = source.addons.as_ref().map(|addons| addons.spec.clone());
    events.extend(addons.map(|addons| AddonsSetV1 { cluster: c.name.clone(), addons }.into()));
    // Its users are the same; its endpoint is not.
    if !source.issuers.is_empty() {
        let (cluster, issuers) = (c.name.clone(), source.issuers.to_vec());
        events.push(AuthenticationSetV1 { cluster, issuers }.into());
    }
    if let Some(tunnel) = &source.tunnel {
        let (cluster, cidr) = (c.name.clone(), tunnel.cidr.clone());
        let credential = context.mint.secret(uid, TUNNEL_KEY)?;
        let ports = Vec::new();
        events.push(TunnelEnabledV1 { cluster, generation, cidr, credential, ports }.into());
    }
    Ok(events)
}
