//! Offering owed jobs to the queue. The queue takes each at most once at a time, so
//! offering again is harmless, and is how a lost queue is refilled.

use futures::future::join_all;
use oi_domain::owed;
use oi_events::{Job, JobId};
use oi_journal::Journal;
use oi_view::View;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A job that is still owed after this long is offered again.
const OFFER_AGAIN: Duration = Duration::from_secs(3);

/// Remembers what was offered lately.
#[derive(Default)]
pub struct Dispatcher {
    offered: BTreeMap<JobId, Instant>,
}

impl Dispatcher {
    /// Offers what is owed and was not offered lately; returns how much is owed.
    pub async fn dispatch(&mut self, view: &View, journal: &Journal) -> usize {
        let jobs = view.read(owed);
        let now = Instant::now();
        let due: Vec<&Job> = jobs
            .iter()
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
        let owed: std::collections::BTreeSet<&JobId> = jobs.iter().map(|j| &j.id).collect();
        self.offered.retain(|id, _| owed.contains(id));
        jobs.len()
    }
}
