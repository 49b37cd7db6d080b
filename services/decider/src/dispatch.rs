//! Offering what is owed to the queue. The queue takes each at most once at a time, so
//! offering again is harmless, and is how a lost queue is refilled.

use crate::metrics::Metrics;
use futures::future::join_all;
use oi_domain::{Scope, owed_in};
use oi_events::{Job, JobId, RecordedCommit};
use oi_journal::Journal;
use oi_view::View;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::{self, error::TryRecvError};

/// A job that is still owed after this long is offered again.
const OFFER_AGAIN: Duration = Duration::from_secs(3);

/// What is owed is looked through at least this often.
const SWEEP: Duration = Duration::from_millis(250);

/// Offers what is owed, as it becomes so, without end.
pub async fn dispatch(journal: Journal, view: View, metrics: Arc<Metrics>) {
    let mut positions = view.positions();
    let mut dispatcher = Dispatcher::new(&view);
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let owed = dispatcher.dispatch(&journal).await;
        metrics.owed_jobs.set(i64::try_from(owed).unwrap_or(i64::MAX));
        tokio::select! {
            Ok(()) = positions.changed() => {}
            _ = sweep.tick() => {}
        }
    }
}

/// Knows what is owed, brought up to date only where a commit changed something, and
/// what was offered lately.
struct Dispatcher {
    view: View,
    commits: broadcast::Receiver<Arc<RecordedCommit>>,
    owed: BTreeMap<Scope, Vec<Job>>,
    offered: BTreeMap<JobId, Instant>,
}

impl Dispatcher {
    /// Looks at all of the state once.
    fn new(view: &View) -> Dispatcher {
        let mut dispatcher = Dispatcher {
            view: view.clone(),
            // From before the look: nothing is missed between.
            commits: view.commits(),
            owed: BTreeMap::new(),
            offered: BTreeMap::new(),
        };
        dispatcher.look(view.read(|s| Scope::all(s).collect()));
        dispatcher
    }

    fn look(&mut self, scopes: BTreeSet<Scope>) {
        for scope in scopes {
            let jobs = self.view.read(|s| owed_in(s, &scope));
            if jobs.is_empty() {
                self.owed.remove(&scope);
            } else {
                self.owed.insert(scope, jobs);
            }
        }
    }

    /// Where commits changed something since the last time.
    fn changed(&mut self) -> BTreeSet<Scope> {
        let mut scopes = BTreeSet::new();
        loop {
            match self.commits.try_recv() {
                Ok(recorded) => scopes.extend(recorded.commit.events.iter().map(Scope::of)),
                Err(TryRecvError::Lagged(_)) => {
                    scopes.extend(self.owed.keys().cloned());
                    scopes.extend(self.view.read(|s| Scope::all(s).collect::<Vec<_>>()));
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return scopes,
            }
        }
    }

    /// Offers what is owed and was not offered lately; returns how much is owed.
    async fn dispatch(&mut self, journal: &Journal) -> usize {
        let changed = self.changed();
        self.look(changed);
        let now = Instant::now();
        let due: Vec<&Job> = self
            .owed
            .values()
            .flatten()
            .filter(|job| self.offered.get(&job.id).is_none_or(|at| now - *at >= OFFER_AGAIN))
            .collect();
        let offers = due.iter().map(|job| journal.enqueue(job));
        for (job, offer) in due.iter().zip(join_all(offers).await) {
            match offer {
                Ok(queued) => {
                    tracing::debug!(job = %job.id, ?queued, "job offered");
                    self.offered.insert(job.id.clone(), now);
                }
                // Offered again with the next sweep.
                Err(error) => tracing::warn!(job = %job.id, %error, "job not offered"),
            }
        }
        let owed: BTreeSet<&JobId> = self.owed.values().flatten().map(|j| &j.id).collect();
        self.offered.retain(|id, _| owed.contains(id));
        owed.len()
    }
}
