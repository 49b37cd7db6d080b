//! A worker: a job runner, a supervisor and an add-on reconciler over the same steps.

use crate::addons::AddonReconciler;
use crate::job_runner::JobRunner;
use crate::metrics::Metrics;
use crate::place::Places;
use crate::reporter::Reporter;
use crate::settings::WorkerSettings;
use crate::steps::Steps;
use crate::supervisor::Supervisor;
use oi_journal::Journal;
use oi_view::{Keyring, View};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Does jobs, and keeps what they made true. Clones share everything.
#[derive(Clone)]
pub struct Worker {
    jobs: JobRunner,
}

impl Worker {
    /// A worker over a log and its view.
    pub fn new(
        journal: Journal,
        view: View,
        keyring: Keyring,
        settings: WorkerSettings,
        metrics: Arc<Metrics>,
    ) -> Worker {
        let steps = Steps {
            view,
            keyring,
            places: Places::new(&settings.helper_image),
            reporter: Reporter::new(journal.clone(), &settings.name),
            backups: settings.backups.clone(),
            start_limiter: Default::default(),
            node_locks: Default::default(),
            addon_locks: Default::default(),
            port_locks: Default::default(),
        };
        Worker { jobs: JobRunner { journal, steps, settings: Arc::new(settings), metrics } }
    }

    /// Works until it is told to stop. Jobs in progress are then given back. When this is dropped
    /// instead, they are delivered again later.
    pub async fn run(&self, stop: CancellationToken) {
        let JobRunner { steps, settings, metrics, .. } = &self.jobs;
        let supervisor = Supervisor::new(steps.clone(), metrics.clone());
        let addons = AddonReconciler::new(steps.clone(), settings.addons_every);
        tokio::select! {
            () = self.jobs.run(&stop) => {}
            () = supervisor.run() => {}
            () = addons.run() => {}
        }
    }
}
