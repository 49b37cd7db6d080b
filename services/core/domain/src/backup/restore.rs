//! Decisions about restores.

use crate::backup::{Restore, RestoreStage};
use crate::cluster::Cluster;
use crate::cluster::commands::{created, identities};
use crate::cluster::spec::check_spec;
use crate::decide::Context;
use crate::guards::{known, next_generation, running, unused};
use crate::mint::ENCRYPTION_KEY;
use crate::node::Node;
use crate::rejection::Rejection;
use crate::state::State;
use crate::tenant;
use crate::tunnel::commands::TUNNEL_KEY;
use oi_events::{
    AbortRestoreV1, AddonsSetV1, AuthenticationSetV1, BackupId, CloneClusterV1, ClusterName,
    ClusterUid, CommandId, CreateClusterV1, Event, ImportClusterV1, NodeName, NodeRemovalStartedV1,
    RestoreAbortedV1, RestoreClusterV1, RestoreStagedV1, RestoreStartedV1, Role, SnapshotV1,
    TunnelEnabledV1, shorten,
};
use std::sync::Arc;

/// The level from which on a backup is unpacked before anything is replaced by it.
pub(crate) const STAGED: u16 = 4;

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

fn is_away(state: &State, node: &Node) -> bool {
    state.hypervisors.get(&node.hypervisor).is_none_or(|h| h.is_away())
}

/// The oldest member whose hypervisor answers: it takes the data of a restore.
pub(crate) fn first(state: &State, cluster: &Cluster) -> Option<NodeName> {
    let members = cluster.control_planes().into_iter();
    members.filter(|(_, n)| !is_away(state, n)).map(|(name, _)| name.clone()).next()
}

/// The backup is unpacked beside the data of the oldest member that answers. Only then all of
/// the cluster stops, that member takes the data, and the others join it anew.
pub(crate) fn restore(state: &State, c: &RestoreClusterV1) -> Result<Vec<Event>, Rejection> {
    let cluster = running(state, &c.name)?;
    let snapshot = snapshot_of(cluster, &c.name, c.backup)?.clone();
    let staged = state.level() >= STAGED;
    if let Some(restore) = &cluster.restore {
        if restore.backup == c.backup && goes_on(state, cluster, restore) {
            return Ok(Vec::new());
        }
        if !staged {
            return Err(Rejection::RestoreRunning(c.name.clone()));
        }
    }
    if let Some(upgrade) = &cluster.upgrade {
        let to = upgrade.target().clone();
        return Err(Rejection::UpgradeRunning { cluster: c.name.clone(), to });
    }
    if first(state, cluster).is_none() {
        return Err(Rejection::NowhereToRestore(c.name.clone()));
    }
    let generation = next_generation(state);
    let (name, backup, source) = (c.name.clone(), c.backup, cluster.uid);
    let mut events: Vec<Event> =
        vec![RestoreStartedV1 { cluster: name, backup, source, snapshot, generation }.into()];
    if !staged {
        events.extend(given_up(state, cluster, &c.name, None));
    }
    Ok(events)
}

/// Whether a restore is on its way, and may get there by itself.
fn goes_on(state: &State, cluster: &Cluster, restore: &Restore) -> bool {
    match restore.stage {
        RestoreStage::AtOnce => true,
        RestoreStage::Reverting => false,
        RestoreStage::Staging | RestoreStage::Swapping => cluster
            .control_planes()
            .iter()
            .any(|(name, n)| cluster.is_first_restored(name) && !is_away(state, n)),
    }
}

/// What is on hypervisors that are away is given up, but for one.
fn given_up(
    state: &State,
    cluster: &Cluster,
    name: &ClusterName,
    but: Option<&NodeName>,
) -> Vec<Event> {
    let generation = next_generation(state);
    let lost = |n: &Node| n.role != Role::ControlPlaneIngress && is_away(state, n);
    let lost = cluster.nodes.iter().filter(|(node, n)| Some(*node) != but && lost(n));
    let staying = lost.filter(|(_, n)| !n.removing);
    let removed = |(node, _): (&NodeName, &Arc<Node>)| {
        let (cluster, name) = (name.clone(), node.clone());
        NodeRemovalStartedV1 { cluster, name, generation }.into()
    };
    staying.map(removed).collect()
}

/// What follows once the backup is unpacked beside a node's data.
pub(crate) fn staged(state: &State, name: &ClusterName, node: &NodeName) -> Vec<Event> {
    let Some(cluster) = state.clusters.get(name) else { return Vec::new() };
    let Some(restore) = &cluster.restore else { return Vec::new() };
    let (generation, backup) = (next_generation(state), restore.backup);
    let mut events: Vec<Event> =
        vec![RestoreStagedV1 { cluster: name.clone(), backup, generation }.into()];
    if !cluster.is_of_backup() {
        events.extend(given_up(state, cluster, name, Some(node)));
    }
    events
}

/// The cluster goes on as it is, where it was not stopped yet; else the data from before is put
/// back.
pub(crate) fn abort(state: &State, c: &AbortRestoreV1) -> Result<Vec<Event>, Rejection> {
    let cluster = running(state, &c.name)?;
    let Some(restore) = &cluster.restore else {
        return Err(Rejection::NoRestore(c.name.clone()));
    };
    if cluster.is_of_backup() {
        return Err(Rejection::MadeOfBackup(c.name.clone()));
    }
    let (name, backup, generation) = (c.name.clone(), restore.backup, next_generation(state));
    match restore.stage {
        RestoreStage::AtOnce => return Err(Rejection::RestoreRunning(name)),
        RestoreStage::Reverting => return Ok(Vec::new()),
        RestoreStage::Staging | RestoreStage::Swapping => {}
    }
    let mut events: Vec<Event> =
        vec![RestoreAbortedV1 { cluster: name, backup, generation }.into()];
    if restore.is_down() {
        if first(state, cluster).is_none() {
            return Err(Rejection::NowhereToRestore(c.name.clone()));
        }
        events.extend(given_up(state, cluster, &c.name, None));
    }
    Ok(events)
}

/// The longest name of a snapshot's file.
const FILE_NAME: usize = 100;

/// A new cluster with what a snapshot holds that others have made.
pub(crate) fn import(
    state: &State,
    id: CommandId,
    c: &ImportClusterV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    unused(state, &c.name)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    let is_name = (1..=FILE_NAME).contains(&c.file.len()) && c.file.bytes().all(plain);
    if !is_name || c.file.starts_with('.') {
        return Err(Rejection::Invalid {
            field: "snapshot",
            value: shorten(c.file.clone()),
            problem: format!(
                "name a file in the directory imports/{} of the backup store, with at most {FILE_NAME} of a-z, A-Z, 0-9, '.', '-' and '_'",
                c.name
            ),
        });
    }
    check_spec(state, &c.spec)?;
    let uid = ClusterUid(id.0);
    let mut credentials = identities(uid, context)?;
    credentials.push(context.mint.secret(uid, ENCRYPTION_KEY)?);
    let like = CreateClusterV1 { name: c.name.clone(), spec: c.spec.clone() };
    let (cluster, backup) = (c.name.clone(), BackupId(id.0));
    let snapshot = SnapshotV1::imported(&c.name, &c.file, c.sha256);
    let generation = next_generation(state);
    let started = RestoreStartedV1 { cluster, backup, source: uid, snapshot, generation };
    Ok(vec![created(uid, &like, credentials), started.into()])
}

/// A new cluster like another one. It has authorities of its own, and the key with which
/// the other's Secrets are encrypted.
pub(crate) fn clone(
    state: &State,
    id: CommandId,
    c: &CloneClusterV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    unused(state, &c.name)?;
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
    // Whose the data is, whose is what is made of it.
    let tenant = state.tenants.of(&c.source).cloned();
    events.extend(tenant.map(|tenant| tenant::commands::set(&c.name, Some(tenant))));
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
