//! What time and losses owe nodes: renewed certificates, and new places.

use crate::cluster::{Cluster, ClusterPhase};
use crate::hypervisor::Hypervisor;
use crate::job::Retry;
use crate::node::Node;
use crate::node::replace::can_replace;
use crate::state::State;
use oi_events::{
    ClusterName, Command, HypervisorName, JobKind, JobTarget, Observation, RenewCertificatesV1,
    ReplaceNodeV1, ReportObservationV1,
};
use std::collections::BTreeSet;

/// The next node whose certificates are to be renewed: one at a time, while the others hold;
/// where they do not, before it is too late.
pub(crate) fn due(name: &ClusterName, cluster: &Cluster, now_ms: u64) -> Option<Command> {
    let staying = cluster.phase != ClusterPhase::Deleting && cluster.delete_at_ms.is_none();
    if !staying || cluster.hibernated {
        return None;
    }
    let settled = cluster.is_converged();
    let due = |n: &Node| {
        let is_time = n.renew_at_ms.values().any(|at| *at <= now_ms);
        !n.removing && if settled { is_time } else { is_late(n, now_ms) }
    };
    let (node, _) = cluster.nodes.iter().find(|(_, n)| due(n))?;
    Some(RenewCertificatesV1 { cluster: name.clone(), node: node.clone() }.into())
}

/// Whether half of the time is over that a certificate has left when it is to be renewed.
pub(crate) fn is_late(node: &Node, now_ms: u64) -> bool {
    node.renew_at_ms.iter().any(|(name, at)| {
        let end = node.credentials.get(name).map_or(u64::MAX, |c| c.not_after_ms);
        at.saturating_add(end.saturating_sub(*at) / 2) <= now_ms
    })
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
            ReplaceNodeV1 { cluster: cluster.clone(), name: name.clone() }.into()
        });
    moves.chain(broken_by_jobs(state)).collect()
}

/// Members that were in their cluster and do not come up again, though their hypervisor
/// answers and all others are well.
fn broken_by_jobs(state: &State) -> impl Iterator<Item = Command> + '_ {
    let tried = state
        .failures
        .iter()
        .filter(|(_, f)| f.attempts >= MEMBER_TRIES || f.retry == Retry::ByHand);
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
