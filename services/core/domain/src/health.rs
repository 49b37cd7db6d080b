//! What a person should hear of before it hurts: counts for alerts, no decisions.

use crate::cluster::{Cluster, ClusterPhase};
use crate::job::Retry;
use crate::mint::Ca;
use crate::node::timers::is_late;
use crate::state::State;
use oi_events::{JobKind, JobTarget};
use std::collections::BTreeMap;

/// How it is with what time wears out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// How long the authority lasts that ends first, milliseconds; none without clusters.
    pub authority_left_ms: Option<u64>,
    /// Nodes with a certificate that should have been renewed long ago.
    pub late_certificates: usize,
    /// Clusters with a schedule whose newest backup is older than two of its intervals.
    pub late_backups: usize,
    /// Jobs that wait for a person, by kind; zero for a kind without any.
    pub dead_letters: BTreeMap<JobKind, usize>,
}

impl Health {
    /// Of a state at a time, Unix milliseconds.
    pub fn of(state: &State, now_ms: u64) -> Health {
        let clusters = || state.clusters.values().filter(|c| c.phase != ClusterPhase::Deleting);
        let authorities = clusters().flat_map(|c| {
            let named = Ca::ALL.into_iter().filter_map(|ca| c.credentials.get(ca.name()));
            named.map(|c| c.not_after_ms).filter(|end| *end > 0)
        });
        let mut dead_letters: BTreeMap<JobKind, usize> =
            JobKind::ALL.iter().map(|kind| (*kind, 0)).collect();
        let by_hand = state.failures.iter().filter(|(_, f)| f.retry == Retry::ByHand);
        for target in by_hand.filter_map(|(job, _)| JobTarget::parse(job)) {
            *dead_letters.entry(target.kind()).or_default() += 1;
        }
        let awake = || clusters().filter(|c| !c.hibernated);
        Health {
            authority_left_ms: authorities.min().map(|end| end.saturating_sub(now_ms)),
            late_certificates: awake()
                .flat_map(|c| c.nodes.values())
                .filter(|n| !n.removing && is_late(n, now_ms))
                .count(),
            late_backups: awake().filter(|c| is_unsaved(c, now_ms)).count(),
            dead_letters,
        }
    }
}

/// Whether backups are to be taken, and none was for two intervals.
fn is_unsaved(cluster: &Cluster, now_ms: u64) -> bool {
    let Some(schedule) = &cluster.schedule else { return false };
    let taken = cluster.backups.values().filter(|b| b.snapshot.is_some()).map(|b| b.started_ms);
    let last = taken.max().unwrap_or(0).max(schedule.since_ms);
    last.saturating_add(schedule.every_ms.saturating_mul(2)) < now_ms
}
