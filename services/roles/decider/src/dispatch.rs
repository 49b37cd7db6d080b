//! Offering what is owed to the queue, as much at a time as there is room for. The queue
//! takes each at most once at a time, so offering again is harmless, and is how a lost
//! queue is refilled.

use crate::metrics::Metrics;
use futures::future::join_all;
use oi_domain::{Limits, Schedule, Scope};
use oi_events::{Job, JobId, RecordedCommit};
use oi_journal::JobQueue;
use oi_view::View;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::broadcast::{self, error::TryRecvError};

/// A job that is still owed after this long is offered again.
const OFFER_AGAIN: Duration = Duration::from_secs(3);

/// What is owed is looked through at least this often.
const SWEEP: Duration = Duration::from_millis(250);

/// How much is owed, for those who would add to it.
#[derive(Debug, Clone, Default)]
pub struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    /// Jobs that are owed, as of a moment ago.
    pub fn jobs(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Offers what is owed, as it becomes so, without end.
pub async fn dispatch(
    jobs: JobQueue,
    view: View,
    limits: Limits,
    backlog: Backlog,
    metrics: Arc<Metrics>,
) {
    let mut positions = view.positions();
    let mut dispatcher = Dispatcher::new(&view, limits);
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let owed = dispatcher.dispatch(&jobs).await;
        backlog.0.store(owed, Ordering::Relaxed);
        metrics.owed_jobs.set(0_i64.saturating_add_unsigned(owed as u64));
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
    schedule: Schedule,
    offered: BTreeMap<JobId, Instant>,
}

impl Dispatcher {
    /// Looks at all of the state once.
    fn new(view: &View, limits: Limits) -> Dispatcher {
        let mut dispatcher = Dispatcher {
            view: view.clone(),
            // From before the look: nothing is missed between.
            commits: view.commits(),
            schedule: Schedule::new(limits),
            offered: BTreeMap::new(),
        };
        dispatcher.look(view.read(|s| Scope::all(s).collect()));
        dispatcher
    }

    fn look(&mut self, scopes: BTreeSet<Scope>) {
        for scope in scopes {
            self.view.read(|s| self.schedule.look(s, &scope));
        }
    }

    /// Where commits changed something since the last time.
    fn changed(&mut self) -> BTreeSet<Scope> {
        let mut scopes = BTreeSet::new();
        loop {
            match self.commits.try_recv() {
                Ok(recorded) => scopes.extend(recorded.commit.events.iter().map(Scope::of)),
                Err(TryRecvError::Lagged(_)) => {
                    scopes.extend(self.schedule.scopes().cloned());
                    scopes.extend(self.view.read(|s| Scope::all(s).collect::<Vec<_>>()));
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return scopes,
            }
        }
    }

    /// Offers what is next, and what was not offered lately; returns how much is owed.
    async fn dispatch(&mut self, jobs: &JobQueue) -> usize {
        let changed = self.changed();
        self.look(changed);
        let now = Instant::now();
        while self.schedule.take().is_some() {}
        let lately =
            |job: &&Job| self.offered.get(&job.id).is_none_or(|at| now - *at >= OFFER_AGAIN);
        let due: Vec<&Job> = self.schedule.in_flight().filter(lately).collect();
        let offers = due.iter().map(|job| jobs.enqueue(job));
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
        self.offered.retain(|id, _| self.schedule.is_in_flight(id));
        self.schedule.owed()
    }
}
