//! Takes jobs from the queue, runs them, and reports their outcomes.

use crate::metrics::Metrics;
use crate::settings::WorkerSettings;
use crate::steps::{StepError, Steps};
use futures::FutureExt;
use oi_clock::millis;
use oi_domain::{ClusterPhase, State, is_owed};
use oi_events::{Job, JobKind, JobOutput, JobResult, ReportJobV2, chain, shorten};
use oi_journal::{Delivered, JobInbox, Log};
use oi_view::ViewError;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// How long to look for the command that made a job owed.
const LOOK_UP: Duration = Duration::from_secs(1);
/// The interval of progress reports: a third of the time after which the queue delivers again.
const PROGRESS: Duration = Duration::from_secs(3);
/// The pause between two looks at a log that cannot be read.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Whether a job that runs is to go on.
fn is_of_use(state: &State, job: &Job) -> bool {
    match job.kind {
        // Often something changes about add-ons. What is made of an earlier generation is not in
        // vain, and a job that is cut off each time would never end.
        JobKind::ReconcileAddons => {
            let cluster = job.cluster.as_ref().and_then(|name| state.clusters.get(name));
            let same = cluster.filter(|c| Some(c.uid) == job.cluster_uid);
            same.is_some_and(|c| c.phase != ClusterPhase::Deleting && !c.hibernated)
        }
        _ => is_owed(state, &job.id),
    }
}

/// Runs jobs. Clones share everything.
#[derive(Clone)]
pub struct JobRunner {
    pub log: Log,
    pub inbox: JobInbox,
    pub steps: Steps,
    pub settings: Arc<WorkerSettings>,
    pub metrics: Arc<Metrics>,
}

impl JobRunner {
    /// Runs jobs until it is told to stop. Jobs in progress are then given back, so that another
    /// worker takes them at once.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut jobs = self.inbox.queue();
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
            let (runner, stop) = (self.clone(), stop.clone());
            running.spawn(async move {
                runner.traced(job, &stop).await;
                drop(permit);
            });
            while running.try_join_next().is_some() {}
        }
        while running.join_next().await.is_some() {}
    }

    /// Handles a job within its span.
    async fn traced(&self, job: Delivered<Job>, stop: &CancellationToken) {
        let span = tracing::info_span!(
            "job",
            otel.name = Empty,
            otel.kind = Empty,
            id = %job.value.id,
            cluster = job.value.cluster.as_ref().map(tracing::field::display),
            node = job.value.node.as_ref().map(tracing::field::display),
            hypervisor = job.value.hypervisor.as_ref().map(tracing::field::display),
        );
        self.join_trace(&span, &job.value).await;
        self.metrics.running.inc();
        self.handle(job, stop).instrument(span).await;
        self.metrics.running.dec();
    }

    /// Puts a job into the trace of the command that made it owed.
    async fn join_trace(&self, span: &Span, job: &Job) {
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

    /// Runs a job, keeps it from being delivered again meanwhile, and acknowledges it.
    async fn handle(&self, delivered: Delivered<Job>, stop: &CancellationToken) {
        let job = delivered.value.clone();
        let keep = async {
            let mut tick = tokio::time::interval(PROGRESS);
            loop {
                tick.tick().await;
                // Another worker then runs the job too, which is harmless.
                if let Err(error) = delivered.progress().await {
                    tracing::debug!(%error, "progress not reported");
                }
            }
        };
        let settled = tokio::select! {
            settled = self.settle(&job) => Some(settled),
            () = keep => None,
            () = stop.cancelled() => None,
        };
        let acknowledged = match settled {
            Some(()) => delivered.ack().await,
            None => delivered.nak(Duration::ZERO).await,
        };
        if let Err(error) = acknowledged {
            tracing::debug!(%error, "job is delivered again");
        }
    }

    /// Runs a job and stores its outcome, however long the broker takes to store it. It is in
    /// hand meanwhile: where it were given back, it would be delivered, and done, again and again.
    async fn settle(&self, job: &Job) {
        loop {
            match self.is_owed(job).await {
                Ok(true) => break,
                Ok(false) => return tracing::debug!("no longer owed"),
                Err(error) => tracing::warn!(error = chain(&error), "not known to be owed"),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        let started = Instant::now();
        let done = async {
            let outcome = self.run_steps(job).await;
            if let Err(error @ StepError::NotOwed(_)) = outcome {
                return tracing::info!(%error, "cut off");
            }
            self.report(job, outcome, started.elapsed()).await;
        };
        tokio::select! {
            biased;
            () = self.superseded(job) => tracing::info!("no longer owed: cut off"),
            () = done => {}
        }
    }

    async fn run_steps(&self, job: &Job) -> Result<JobOutput, StepError> {
        let mut outcome = self.run_once(job).await;
        for _ in 1..self.settings.times {
            outcome = outcome.and(self.run_once(job).await);
        }
        outcome
    }

    /// Runs the step. A panic is an outcome: otherwise nobody would hear of it before the job was
    /// delivered too often.
    async fn run_once(&self, job: &Job) -> Result<JobOutput, StepError> {
        match AssertUnwindSafe(Box::pin(self.steps.run(job))).catch_unwind().await {
            Ok(outcome) => outcome,
            Err(_panic) => Err(StepError::Defect(job.id.to_string())),
        }
    }

    /// Waits until a job that runs is of no use any more: something else is wanted, or another
    /// worker has done it.
    async fn superseded(&self, job: &Job) {
        let view = &self.steps.view;
        let mut positions = view.positions();
        while view.read(|s| is_of_use(s, job)) {
            if positions.changed().await.is_err() {
                // Nobody folds any more: this process ends.
                return std::future::pending().await;
            }
        }
    }

    /// Whether a job is owed.
    async fn is_owed(&self, job: &Job) -> Result<bool, ViewError> {
        let view = &self.steps.view;
        view.wait_for(job.generation.0).await?;
        let is_owed = || view.read(|s| is_owed(s, &job.id));
        if is_owed() {
            return Ok(true);
        }
        // A commit that this view has not folded yet may make it owed.
        let end = self.log.last_position().await?;
        view.wait_for(end).await?;
        Ok(is_owed())
    }

    async fn report(&self, job: &Job, outcome: Result<JobOutput, StepError>, took: Duration) {
        let kind = job.kind.token();
        self.metrics.job_seconds.with_label_values(&[kind]).observe(took.as_secs_f64());
        let took_ms = millis(took);
        let result = match outcome {
            Ok(output) => {
                tracing::info!(took_ms, "done");
                self.metrics.jobs.with_label_values(&[kind, "succeeded"]).inc();
                JobResult::Succeeded(output)
            }
            Err(error) => {
                let (message, class) = (shorten(chain(&error)), error.class());
                tracing::warn!(took_ms, error = message, ?class, "failed");
                oi_trace::failed(&Span::current(), &message);
                self.metrics.jobs.with_label_values(&[kind, "failed"]).inc();
                JobResult::Failed { message, class }
            }
        };
        self.steps.reporter.job(ReportJobV2 { job: job.id.clone(), result, took_ms }).await;
    }
}
