//! The loop of a worker.

use crate::exclusion::{Nodes, Turns};
use crate::hypervisors::{Hypervisors, WorkerSettings};
use crate::keeper::Keeper;
use crate::metrics::Metrics;
use crate::steps::{StepError, Steps};
use crate::steward::Steward;
use oi_clock::now_ms;
use oi_domain::is_owed;
use oi_events::{
    Command, CommandEnvelope, CommandId, FailureClass, Job, JobKind, JobOutput, JobResult,
    Observation, ReportJobV2, ReportObservationV1, chain,
};
use oi_journal::{CommandOutbox, Delivered, JobInbox, Log};
use oi_keyring::{KeyShredder, Keyring};
use oi_view::View;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, Span};
use uuid::Uuid;

/// How long is looked for the command that made a job owed.
const LOOK_UP: Duration = Duration::from_secs(1);

/// How often a job is said to be worked on: a third of the queue's patience.
const PROGRESS: Duration = Duration::from_secs(3);

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

/// Does jobs and reports their outcomes. Clones share everything.
#[derive(Clone)]
pub struct Worker {
    log: Log,
    jobs: JobInbox,
    commands: CommandOutbox,
    steps: Steps,
    settings: Arc<WorkerSettings>,
    metrics: Arc<Metrics>,
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
        let settings = Arc::new(settings);
        let hypervisors = Hypervisors::new(settings.clone());
        let backups = settings.backups.clone();
        let nodes = Nodes::default();
        let (passes, passages) = (Turns::default(), Turns::default());
        let steps =
            Steps { view, keyring, key_shredder, hypervisors, nodes, backups, passes, passages };
        Worker { log, jobs, commands, steps, settings, metrics }
    }

    /// Works until it is told to stop. Jobs in hand are then given back, for another
    /// worker to take them at once; where this is dropped they come again later.
    pub async fn run(&self, stop: CancellationToken) {
        let keeper = Keeper::new(self.clone(), self.steps.clone());
        let steward = Steward::new(self.clone(), self.steps.clone(), self.settings.addons_every);
        tokio::select! {
            () = self.work(&stop) => {}
            () = keeper.run() => {}
            () = steward.run() => {}
        }
    }

    async fn work(&self, stop: &CancellationToken) {
        let mut jobs = self.jobs.queue();
        let permits = Arc::new(Semaphore::new(self.settings.concurrency));
        let mut running = tokio::task::JoinSet::new();
        loop {
            let next = async {
                let permit = permits.clone().acquire_owned().await;
                (permit, jobs.next().await)
            };
            let (permit, job) = tokio::select! {
                next = next => next,
                () = stop.cancelled() => break,
            };
            let (worker, stop) = (self.clone(), stop.clone());
            let span = tracing::info_span!(
                "job",
                otel.name = Empty,
                otel.kind = Empty,
                id = %job.value.id,
                cluster = job.value.cluster.as_ref().map(tracing::field::display),
                node = job.value.node.as_ref().map(tracing::field::display),
                hypervisor = job.value.hypervisor.as_ref().map(tracing::field::display),
            );
            running.spawn(async move {
                worker.trace(&span, &job.value).await;
                worker.metrics.running.inc();
                worker.handle(job, &stop).instrument(span).await;
                worker.metrics.running.dec();
                drop(permit);
            });
            while running.try_join_next().is_some() {}
        }
        while running.join_next().await.is_some() {}
    }

    /// A job belongs to the trace of the command that made it owed.
    async fn trace(&self, span: &Span, job: &Job) {
        oi_trace::name(span, job.kind.token(), "consumer");
        if !oi_trace::is_on() {
            return;
        }
        // The job does not wait for its trace.
        let cause = self.log.commit_at(job.generation.0);
        if let Ok(Ok(Some(cause))) = tokio::time::timeout(LOOK_UP, cause).await {
            oi_trace::within(span, cause.commit.header.command_id);
        }
    }

    async fn handle(&self, delivered: Delivered<Job>, stop: &CancellationToken) {
        let job = delivered.value.clone();
        let keep = async {
            let mut tick = tokio::time::interval(PROGRESS);
            loop {
                tick.tick().await;
                // Where this is lost, another worker takes the job: harmless.
                let _ = delivered.progress().await;
            }
        };
        let settled = tokio::select! {
            settled = self.settle(&job) => Some(settled),
            () = keep => None,
            () = stop.cancelled() => None,
        };
        let acknowledged = match settled {
            Some(true) => delivered.ack().await,
            Some(false) => delivered.nak(Duration::from_secs(1)).await,
            None => delivered.nak(Duration::ZERO).await,
        };
        if let Err(error) = acknowledged {
            tracing::debug!(%error, "job comes again");
        }
    }

    /// Does a job and stores its outcome; false where the outcome is not stored.
    async fn settle(&self, job: &Job) -> bool {
        let view = &self.steps.view;
        if view.wait_for(job.generation.0).await.is_err() {
            return false;
        }
        let is_owed = || view.read(|s| is_owed(s, &job.id));
        if !is_owed() {
            // It may be owed by something that is not folded here yet.
            let Ok(end) = self.log.last_position().await else { return false };
            if view.wait_for(end).await.is_err() {
                return false;
            }
            if !is_owed() {
                tracing::debug!("no longer owed");
                return true;
            }
        }
        let started = Instant::now();
        let kind = job.kind.token();
        let mut outcome = self.steps.run(job).await;
        for _ in 1..self.settings.times {
            outcome = outcome.and(self.steps.run(job).await);
        }
        let took = started.elapsed();
        self.metrics.job_seconds.with_label_values(&[kind]).observe(took.as_secs_f64());
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let result = match &outcome {
            Ok(seen) => {
                tracing::info!(took_ms, "done");
                self.metrics.jobs.with_label_values(&[kind, "succeeded"]).inc();
                JobResult::Succeeded(output(seen.as_ref()))
            }
            Err(error) => {
                let message = chain(error);
                tracing::warn!(took_ms, error = message, "failed");
                oi_trace::failed(&Span::current(), &message);
                self.metrics.jobs.with_label_values(&[kind, "failed"]).inc();
                JobResult::Failed { message, class: FailureClass::Transient }
            }
        };
        if let Some(observation) = observation(job, outcome)
            && !self.observe(observation).await
        {
            return false;
        }
        let report = ReportJobV2 { job: job.id.clone(), result, took_ms };
        self.submit(report.into()).await
    }

    /// Reports what was seen; false where that is not stored.
    async fn observe(&self, observation: Observation) -> bool {
        self.submit(ReportObservationV1 { observation }.into()).await
    }

    /// Reports what was seen, without waiting: the broker may be away.
    pub(crate) fn observe_later(&self, observation: Observation) {
        let worker = self.clone();
        tokio::spawn(async move { worker.observe(observation).await });
    }

    /// Counts a part that was started again.
    pub(crate) fn count_restart(&self, hypervisor: &str) {
        self.metrics.restarts.with_label_values(&[hypervisor]).inc();
    }

    async fn submit(&self, command: Command) -> bool {
        let id = CommandId(Uuid::now_v7());
        let actor = format!("system:worker:{}", self.settings.name);
        let envelope = CommandEnvelope::new(id, actor, now_ms(), command);
        match self.commands.submit(&envelope).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "outcome not stored");
                false
            }
        }
    }
}

/// What came of a job.
fn output(seen: Option<&Observation>) -> JobOutput {
    match seen {
        Some(Observation::BackupTaken { snapshot, .. }) => JobOutput::Backup(snapshot.clone()),
        _ => JobOutput::None,
    }
}

/// What a job tells of its hypervisor.
fn observation(job: &Job, outcome: Result<Option<Observation>, StepError>) -> Option<Observation> {
    match outcome {
        Ok(seen) => seen.filter(|o| !matches!(o, Observation::BackupTaken { .. })),
        Err(error) if job.kind == JobKind::ProbeHypervisor => {
            let name = job.hypervisor.clone()?;
            Some(Observation::HypervisorUnreachable { name, reason: chain(&error) })
        }
        Err(_) => None,
    }
}
