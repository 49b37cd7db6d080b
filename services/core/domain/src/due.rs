//! What time and losses owe: commands that deciders enter by themselves, recorded like
//! any other, so that a replay sees them too.

use crate::decide::can_replace;
use crate::owed::JobTarget;
use crate::state::{Cluster, ClusterPhase, Hypervisor, Node, State};
use oi_events::{
    BackupClusterV1, ClusterName, Command, DeleteClusterV2, HypervisorName, JobKind, Observation,
    RenewCertificatesV1, ReplaceNodeV1, ReportObservationV1, RetryJobV1, RevokeJoinTokenV1,
};
use std::collections::BTreeSet;

/// The commands that time owes: pauses that are over at `now_ms` (Unix
/// milliseconds). Deciders enter them, so that a replay sees them too.
pub fn due(state: &State, now_ms: u64) -> Vec<Command> {
    state
        .failures
        .iter()
        .filter(|(_, t)| t.retry_at_ms.is_some_and(|at| at <= now_ms))
        .map(|(job, _)| Command::RetryJob(RetryJobV1 { job: job.clone() }))
        .chain(state.clusters.iter().flat_map(|(name, c)| due_in(name, c, now_ms)))
        .collect()
}

/// Planned deletions, backups and the renewal of certificates.
fn due_in<'a>(
    name: &'a ClusterName,
    cluster: &'a Cluster,
    now_ms: u64,
) -> impl Iterator<Item = Command> + 'a {
    let staying = cluster.phase != ClusterPhase::Deleting;
    let delete = cluster.delete_at_ms.filter(|at| staying && *at <= now_ms);
    let delete = delete.map(|_| {
        Command::DeleteCluster(DeleteClusterV2 { name: name.clone(), forget_orphans: false })
    });
    let backup = staying && backup_is_due(cluster, now_ms);
    let backup = backup.then(|| Command::BackupCluster(BackupClusterV1 { name: name.clone() }));
    let runs = staying && !cluster.hibernated && cluster.delete_at_ms.is_none();
    let settled = cluster.is_converged();
    // One node at a time, while the others hold; where they do not, before it is too late.
    let due = move |n: &Node| {
        runs && !n.removing
            && n.renew_at_ms.iter().any(|(name, at)| {
                let end = n.credentials.get(name).map_or(u64::MAX, |c| c.not_after_ms);
                let late = at.saturating_add(end.saturating_sub(*at) / 2);
                if settled { *at <= now_ms } else { late <= now_ms }
            })
    };
    let next = cluster.nodes.iter().find(move |(_, n)| due(n));
    let renew = next.map(|(node, _)| {
        let (cluster, node) = (name.clone(), node.clone());
        Command::RenewCertificates(RenewCertificatesV1 { cluster, node })
    });
    let tokens = cluster.addons.iter().filter(move |_| staying).flat_map(|i| &i.tokens);
    let ended = tokens.filter(move |(_, t)| t.expires_ms <= now_ms).map(|(token, _)| {
        let (cluster, token) = (name.clone(), token.clone());
        Command::RevokeJoinToken(RevokeJoinTokenV1 { cluster, token })
    });
    delete.into_iter().chain(backup).chain(renew).chain(ended)
}

/// So long after the last one that another is to be taken; none while one is owed.
fn backup_is_due(cluster: &Cluster, now_ms: u64) -> bool {
    let Some(schedule) = &cluster.schedule else { return false };
    let runs = !cluster.hibernated && cluster.restore.is_none();
    let owed = cluster.backups.values().any(|b| b.snapshot.is_none() && !b.expired);
    let last = cluster.backups.values().map(|b| b.started_ms).max().unwrap_or(0);
    let last = last.max(schedule.since_ms);
    runs && cluster.phase == ClusterPhase::Ready
        && !owed
        && last.saturating_add(schedule.every_ms) <= now_ms
}

/// How many nodes of hypervisors that stay away begin to move at a time.
const MOVES: usize = 8;

/// How often a member that was in its cluster may fail to start.
const MEMBER_TRIES: u32 = 5;

/// The commands that losses owe: nodes of hypervisors that have been away for
/// `patience_ms`, and those whose etcd member does not keep running, get a new place, of
/// each cluster one after the other. Where that cannot be, nothing is asked for.
pub fn lost(state: &State, now_ms: u64, patience_ms: u64) -> Vec<Command> {
    let mut clusters = BTreeSet::new();
    let gone = |h: &Hypervisor| h.is_away() && h.since_ms.saturating_add(patience_ms) <= now_ms;
    let gone: BTreeSet<&HypervisorName> =
        state.hypervisors.iter().filter(|(_, h)| gone(h)).map(|(name, _)| name).collect();
    let moves = state
        .clusters
        .iter()
        .flat_map(|(cluster, c)| c.nodes.iter().map(move |(name, node)| (cluster, name, node)))
        .filter(|(_, _, node)| gone.contains(&node.hypervisor) || node.broken)
        .filter(|(_, _, node)| !node.removing)
        .filter(|(cluster, name, _)| can_replace(state, cluster, name))
        .filter(|(cluster, _, _)| clusters.insert((*cluster).clone()))
        .take(MOVES)
        .map(|(cluster, name, _)| {
            Command::ReplaceNode(ReplaceNodeV1 { cluster: cluster.clone(), name: name.clone() })
        });
    moves.chain(broken_by_jobs(state)).collect()
}

/// Members that were in their cluster and do not come up again, though their hypervisor
/// answers and all others are well.
fn broken_by_jobs(state: &State) -> impl Iterator<Item = Command> + '_ {
    let tried = state.failures.iter().filter(|(_, t)| t.attempts >= MEMBER_TRIES);
    tried.filter_map(|(job, failure)| {
        let Some(JobTarget::Node { cluster, node, step: JobKind::EnsureEtcd, .. }) =
            JobTarget::parse(job)
        else {
            return None;
        };
        let c = state.clusters.get(&cluster)?;
        let n = c.nodes.get(&node)?;
        let answers = state.hypervisors.get(&n.hypervisor).is_some_and(|h| !h.is_away());
        let others =
            c.control_planes().iter().all(|(name, other)| **name == node || other.is_ready());
        let (generation, broken) = (n.generation, n.joined && answers && others && !n.broken);
        let reason = format!("{} attempts to start it: {}", failure.attempts, failure.message);
        let seen = Observation::MemberBroken { cluster, node, generation, reason };
        broken.then(|| ReportObservationV1 { observation: seen }.into())
    })
}
