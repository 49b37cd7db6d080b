//! A worker: a job runner, a supervisor and an add-on reconciler over the same steps.

use crate::addons::AddonReconciler;
use crate::job_runner::JobRunner;
use crate::metrics::Metrics;
use crate::place::Places;
use crate::reporter::Reporter;
use crate::settings::WorkerSettings;
use crate::steps::Steps;
use crate::supervisor::Supervisor;
use oi_clock::Pulse;
use oi_journal::{CommandOutbox, JobInbox, Log};
use oi_keyring::{KeyShredder, Keyring};
use oi_view::View;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a worker may do beside reading the state.
pub struct WorkerHandles {
    /// Reads the log.
    pub log: Log,
    /// Takes jobs.
    pub jobs: JobInbox,
    /// Stores reports.
    pub commands: CommandOutbox,
    /// Opens key material.
    pub keyring: Keyring,
    /// Destroys the keys of deleted clusters.
    pub key_shredder: KeyShredder,
}

/// Does jobs, and keeps what they made true. Clones share everything.
#[derive(Clone)]
pub struct Worker {
    jobs: JobRunner,
    pulse: Pulse,
}

impl Worker {
    /// A worker over the view of a log.
    pub fn new(
        handles: WorkerHandles,
        view: View,
        settings: WorkerSettings,
        metrics: Arc<Metrics>,
    ) -> Worker {
        let WorkerHandles { log, jobs, commands, keyring, key_shredder } = handles;
        let steps = Steps {
            view,
            keyring,
            key_shredder,
            places: Places::new(&settings.helper_image),
            reporter: Reporter::new(commands, &settings.name),
            backups: settings.backups.clone(),
            start_limiter: Default::default(),
            node_locks: Default::default(),
            addon_locks: Default::default(),
            port_locks: Default::default(),
        };
        Worker {
            jobs: JobRunner { log, inbox: jobs, steps, settings: Arc::new(settings), metrics },
            pulse: Pulse::default(),
        }
    }

    /// Beats while its loops go round, every few seconds.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Works until it is told to stop. Jobs in progress are then given back. When this is dropped
    /// instead, they are delivered again later.
    pub async fn run(&self, stop: CancellationToken) {
        let JobRunner { steps, settings, metrics, .. } = &self.jobs;
        let every = settings.tidy_every;
        let supervisor = Supervisor::new(steps.clone(), metrics.clone(), every);
        let addons = AddonReconciler::new(steps.clone(), settings.addons_every);
        tokio::select! {
            () = self.jobs.run(&stop) => {}
            () = supervisor.run(&self.pulse) => {}
            () = addons.run() => {}
        }
    }
}
