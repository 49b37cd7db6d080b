//! Decisions about restores.

use crate::backup::commands::REFERENCES;
use crate::backup::{Restore, RestoreStage};
use crate::cluster::Cluster;
use crate::cluster::commands::{created, identities};
use crate::cluster::spec::check_spec;
use crate::decide::Context;
use crate::guards::{known, next_generation, running, unused};
use crate::job::Retry;
use crate::mint::ENCRYPTION_KEY;
use crate::node::Node;
use crate::rejection::Rejection;
use crate::state::State;
use crate::tenant;
use crate::tunnel::commands::TUNNEL_KEY;
use oi_events::{
    AbortRestoreV1, AddonsSetV1, AuthenticationSetV1, BackupId, CloneClusterV1, ClusterName,
    ClusterUid, CommandId, CreateClusterV1, Event, ImportClusterV1, JobKind, JobTarget, Limit,
    NodeName, NodeRemovalStartedV1, RestoreAbortedV1, RestoreClusterV1, RestoreStagedV1,
    RestoreStartedV1, Role, SnapshotV1, TunnelEnabledV1,
};
use std::collections::BTreeSet;

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
        if restore.backup == c.backup && goes_on(state, cluster, &c.name, restore) {
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
        events.extend(given_up(state, cluster, &c.name));
    }
    Ok(events)
}

/// Whether a restore is on its way, and may get there by itself.
fn goes_on(state: &State, cluster: &Cluster, of: &ClusterName, restore: &Restore) -> bool {
    let all = match restore.stage {
        RestoreStage::AtOnce => return true,
        RestoreStage::Reverting => return false,
        RestoreStage::Staging => false,
        RestoreStage::Swapping => true,
    };
    let is_needed = |name: &NodeName, n: &Node| {
        cluster.is_first_restored(name) || (all && cluster.is_restored(name, n))
    };
    let mut needed = cluster.nodes.iter().filter(|(name, n)| is_needed(name, n));
    needed.all(|(name, n)| !is_away(state, n) && !gave_up(state, of, name))
}

/// Whether a node's part in the restore is not tried again by itself.
fn gave_up(state: &State, of: &ClusterName, name: &NodeName) -> bool {
    state.failures.iter().filter(|(_, f)| f.retry == Retry::ByHand).any(|(id, _)| {
        matches!(
            JobTarget::parse(id),
            Some(JobTarget::Node { cluster, node, step, .. })
                if &cluster == of
                    && &node == name
                    && matches!(step, JobKind::StageRestore | JobKind::RestoreEtcd)
        )
    })
}

/// The nodes that a restore may have to do without.
fn away(state: &State, cluster: &Cluster) -> BTreeSet<NodeName> {
    let nodes = cluster.nodes.iter().filter(|(_, n)| is_away(state, n));
    let nodes = nodes.filter(|(_, n)| n.role != Role::ControlPlaneIngress && !n.removing);
    nodes.map(|(name, _)| name.clone()).collect()
}

/// What is on hypervisors that are away is given up for a restore of a log below level 4.
fn given_up(state: &State, cluster: &Cluster, name: &ClusterName) -> Vec<Event> {
    let generation = next_generation(state);
    let removed =
        |node| NodeRemovalStartedV1 { cluster: name.clone(), name: node, generation }.into();
    away(state, cluster).into_iter().map(removed).collect()
}

/// Whom a swap does not wait for: nodes that are away, but for the member that takes the data.
pub(crate) fn without_in_swap(state: &State, cluster: &Cluster) -> BTreeSet<NodeName> {
    if cluster.is_of_backup() {
        return BTreeSet::new();
    }
    let mut without = away(state, cluster);
    without.retain(|name| !cluster.is_first_restored(name));
    without
}

/// Whom an abort does not wait for: nodes that are away. Where the others are no majority of
/// those that have the data, all of these are waited for.
pub(crate) fn without_in_return(state: &State, cluster: &Cluster) -> BTreeSet<NodeName> {
    let before = cluster.restore.as_ref().and_then(|restore| restore.before.as_ref());
    let Some(members) = before.map(|before| &before.members) else { return BTreeSet::new() };
    let mut without = away(state, cluster);
    let stays = |name: &NodeName| cluster.nodes.get(name).is_some_and(|n| !n.removing);
    let there = members.iter().filter(|name| stays(name) && !without.contains(*name)).count();
    if there * 2 <= members.len() {
        without.retain(|name| !members.contains(name));
    }
    without
}

/// What follows once the backup is unpacked beside a member's data.
pub(crate) fn staged(state: &State, name: &ClusterName) -> Option<Event> {
    let restore = state.clusters.get(name)?.restore.as_ref()?;
    let (generation, backup) = (next_generation(state), restore.backup);
    Some(RestoreStagedV1 { cluster: name.clone(), backup, generation }.into())
}

/// What follows where the backup cannot be unpacked: nothing has stopped for it, and all goes on
/// without it.
pub(crate) fn not_staged(state: &State, name: &ClusterName) -> Option<Event> {
    let restore = state.clusters.get(name)?.restore.as_ref().filter(|r| !r.is_down())?;
    let (generation, backup) = (next_generation(state), restore.backup);
    Some(RestoreAbortedV1 { cluster: name.clone(), backup, generation }.into())
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
    match restore.stage {
        RestoreStage::AtOnce => return Err(Rejection::RestoreRunning(c.name.clone())),
        RestoreStage::Reverting if without_in_return(state, cluster) == restore.given_up => {
            return Ok(Vec::new());
        }
        RestoreStage::Reverting | RestoreStage::Staging | RestoreStage::Swapping => {}
    }
    let (name, backup, generation) = (c.name.clone(), restore.backup, next_generation(state));
    Ok(vec![RestoreAbortedV1 { cluster: name, backup, generation }.into()])
}

/// A new cluster with what a snapshot holds that others have made.
pub(crate) fn import(
    state: &State,
    id: CommandId,
    c: &ImportClusterV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    unused(state, &c.name)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
    let is_name =
        (1..=Limit::SnapshotFile.bound()).contains(&c.file.len()) && c.file.bytes().all(plain);
    if !is_name || c.file.starts_with('.') {
        return Err(Rejection::Invalid {
            field: "snapshot",
            value: c.file.clone(),
            problem: format!(
                "{}, which is in the directory imports/{} of the backup store",
                Limit::SnapshotFile.problem(),
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
    // The key of a cluster that goes may be destroyed at any time.
    if state.level() >= REFERENCES && !source.is_readable(c.backup) {
        let (cluster, backup) = (c.source.clone(), c.backup);
        return Err(Rejection::BackupUnknown { cluster, backup });
    }
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
