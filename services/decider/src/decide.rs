//! The loop of a decider.

use crate::dispatch::Dispatcher;
use crate::metrics::Metrics;
use crate::mint::Minter;
use oi_domain::{Context, Rejection, decide, due, lost};
use oi_events::{
    ClusterName, ClusterUid, Command, CommandEnvelope, CommandId, Commit, CommitHeader, JobResult,
    Outcome, ReportJobV1,
};
use oi_journal::{Abandoned, AppendError, Delivered, Journal, ReadError};
use oi_pki::DataKey;
use oi_view::{Keyring, KeyringError, View, ViewError, now_ms};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often time is asked what it owes.
const TICK: Duration = Duration::from_millis(250);

/// Why a command could not be decided now; it comes again.
#[derive(Debug, thiserror::Error)]
pub enum DeciderError {
    /// Not appended.
    #[error("the decision was not stored")]
    Append(#[from] AppendError),
    /// The end of the log is not to be seen.
    #[error("the end of the log is not to be seen")]
    Read(#[from] ReadError),
    /// The state is not current.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Keys are not to be had.
    #[error("the cluster's key is not to be had")]
    Keys(#[from] KeyringError),
}

/// Decides commands and offers jobs.
pub struct Decider {
    journal: Journal,
    view: View,
    keyring: Keyring,
    metrics: Arc<Metrics>,
    settings: DeciderSettings,
}

/// How a decider decides what nobody asked for.
#[derive(Debug, Clone)]
pub struct DeciderSettings {
    /// What it calls itself in what it asks for by itself.
    pub name: String,
    /// After how long the nodes of a hypervisor that is away move elsewhere; none for
    /// never.
    pub evacuate_after: Option<Duration>,
    /// How long certificates of components last. They are renewed at two thirds of it.
    pub certificate_life: Duration,
}

impl DeciderSettings {
    /// Five minutes, and a year.
    pub fn new(name: &str) -> DeciderSettings {
        DeciderSettings {
            name: name.to_owned(),
            evacuate_after: Some(Duration::from_secs(300)),
            certificate_life: Duration::from_secs(365 * 24 * 3600),
        }
    }
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

impl Decider {
    /// A decider over a log and its view.
    pub fn new(
        journal: Journal,
        view: View,
        keyring: Keyring,
        metrics: Arc<Metrics>,
        settings: DeciderSettings,
    ) -> Decider {
        Decider { journal, view, keyring, metrics, settings }
    }

    /// Works until it is told to stop, and finishes what it has in hand. Where it is
    /// dropped, that comes again elsewhere.
    pub async fn run(&self, stop: CancellationToken) {
        let mut commands = self.journal.commands();
        let mut abandoned = self.journal.abandoned();
        let mut positions = self.view.positions();
        let mut dispatcher = Dispatcher::new(&self.view);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                command = commands.next() => self.handle(command).await,
                given_up = abandoned.next() => self.report_abandoned(given_up).await,
                Ok(()) = positions.changed() => {}
                _ = tick.tick() => self.enter_due().await,
            }
            let owed = dispatcher.dispatch(&self.journal).await;
            self.metrics.owed_jobs.set(i64::try_from(owed).unwrap_or(i64::MAX));
            let position = self.view.position();
            self.metrics.position.set(i64::try_from(position).unwrap_or(i64::MAX));
        }
    }

    async fn handle(&self, delivered: Delivered<CommandEnvelope>) {
        let started = Instant::now();
        let envelope = &delivered.value;
        let kind = envelope.command.kind().name;
        match self.decide(envelope).await {
            Ok(outcome) => {
                let word = match &outcome {
                    Outcome::Committed { .. } => "committed",
                    Outcome::Unchanged { .. } => "unchanged",
                    Outcome::Rejected { .. } => "rejected",
                };
                tracing::info!(command = %envelope.id, kind, actor = envelope.actor, ?outcome, "decided");
                self.metrics.commands.with_label_values(&[kind, word]).inc();
                if let Err(error) = self.journal.answer(envelope.id, &outcome).await {
                    tracing::debug!(%error, "nobody heard the answer");
                }
                self.metrics.decision_seconds.observe(started.elapsed().as_secs_f64());
                // Not waited for: if it is lost, the id is found in the state.
                tokio::spawn(async move {
                    if let Err(error) = delivered.ack().await {
                        tracing::debug!(%error, "command comes again");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(command = %envelope.id, kind, error = &error as &dyn std::error::Error, "not decided, trying again");
                // Where this is lost, it comes again all the same.
                let _ = delivered.nak(Duration::from_millis(500)).await;
            }
        }
    }

    /// Decides one command: against the state at the end of the log, whoever else
    /// writes to it.
    async fn decide(&self, envelope: &CommandEnvelope) -> Result<Outcome, DeciderError> {
        let mut key = None;
        let mut source = None;
        loop {
            if let Some(position) = self.view.read(|s| s.processed.position(&envelope.id)) {
                return Ok(Outcome::Committed { position });
            }
            let now_ms = now_ms();
            let (decision, position, head) = self.view.read(|s| {
                let leaf_life_ms = millis(self.settings.certificate_life);
                let (key, source) = (key.clone(), source.clone());
                let mint = Minter { key, source, now_ms, leaf_life_ms };
                let context = Context { now_ms, mint: &mint };
                (decide(s, envelope, &context), s.position, s.head)
            });
            let outcome = match decision {
                Err(rejection) => {
                    // A key is made only for what is acceptable but for the key.
                    if matches!(rejection, Rejection::Mint(_)) && key.is_none() {
                        key = self.key_for(envelope).await?;
                        source = self.source_key(envelope).await?;
                        if key.is_some() {
                            continue;
                        }
                    }
                    Outcome::Rejected {
                        code: rejection.code().to_owned(),
                        message: rejection.to_string(),
                    }
                }
                Ok(events) if events.is_empty() => Outcome::Unchanged { position },
                Ok(events) => {
                    let header = CommitHeader {
                        command_id: envelope.id,
                        correlation: envelope.correlation,
                        actor: envelope.actor.clone(),
                        time_ms: now_ms,
                        previous: head,
                    };
                    let commit = Commit { header, command: envelope.command.clone(), events };
                    match self.journal.append(&commit, position).await {
                        Ok(recorded) => {
                            self.view.fold(&recorded);
                            return Ok(Outcome::Committed { position: recorded.position });
                        }
                        Err(AppendError::Conflict { .. }) => {
                            self.view.wait_for(position + 1).await?;
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
            };
            // What is not appended is not checked by the broker: another decider may
            // have written what is not folded here yet.
            let end = self.journal.last_position().await?;
            if end <= position {
                return Ok(outcome);
            }
            self.view.wait_for(end).await?;
        }
    }

    /// The data key that a decision on this command may need.
    async fn key_for(&self, envelope: &CommandEnvelope) -> Result<Option<DataKey>, KeyringError> {
        let uid = match &envelope.command {
            Command::CreateCluster(_) | Command::CloneCluster(_) => {
                return self.keyring.key_for_new(ClusterUid(envelope.id.0)).await.map(Some);
            }
            Command::AddNode(c) => self.uid(&c.cluster),
            Command::ReplaceNode(c) => self.uid(&c.cluster),
            Command::RenewCertificates(c) => self.uid(&c.cluster),
            Command::HibernateCluster(c) => self.uid(&c.name),
            Command::UndeleteCluster(c) => self.uid(&c.name),
            Command::ScaleCluster(c) => self.uid(&c.name),
            Command::RotateAuthorities(c) => self.uid(&c.name),
            _ => None,
        };
        self.standing_key(uid).await
    }

    /// The data key of a cluster from which the command takes something over.
    async fn source_key(
        &self,
        envelope: &CommandEnvelope,
    ) -> Result<Option<DataKey>, KeyringError> {
        match &envelope.command {
            Command::CloneCluster(c) => self.standing_key(self.uid(&c.source)).await,
            _ => Ok(None),
        }
    }

    async fn standing_key(&self, uid: Option<ClusterUid>) -> Result<Option<DataKey>, KeyringError> {
        let Some(uid) = uid else { return Ok(None) };
        match self.keyring.key(uid).await {
            // The rules say what to do about it.
            Err(KeyringError::Destroyed(_)) => Ok(None),
            other => other.map(Some),
        }
    }

    fn uid(&self, cluster: &ClusterName) -> Option<ClusterUid> {
        self.view.read(|s| s.clusters.get(cluster).map(|c| c.uid))
    }

    /// Enters what time owes as commands, so that a replay sees them too.
    async fn enter_due(&self) {
        let now_ms = now_ms();
        let patience = self.settings.evacuate_after.map(millis);
        let commands = self.view.read(|s| {
            let mut commands = due(s, now_ms);
            commands.extend(patience.map(|p| lost(s, now_ms, p)).unwrap_or_default());
            commands
        });
        for command in commands {
            self.enter(command).await;
        }
    }

    async fn report_abandoned(&self, delivered: Delivered<Abandoned>) {
        match self.journal.remove_abandoned(&delivered.value).await {
            Ok(Some(job)) => {
                tracing::error!(%job, "job given up after too many deliveries");
                let report = ReportJobV1 { job, result: JobResult::Abandoned, took_ms: 0 };
                self.enter(Command::ReportJob(report)).await;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "abandoned job not looked at");
                return;
            }
        }
        let _ = delivered.ack().await;
    }

    async fn enter(&self, command: Command) {
        let id = CommandId(Uuid::now_v7());
        let actor = format!("system:decider:{}", self.settings.name);
        let envelope = CommandEnvelope::new(id, actor, now_ms(), command);
        match self.decide(&envelope).await {
            Ok(outcome) => tracing::debug!(command = %id, ?outcome, "entered"),
            Err(error) => tracing::warn!(command = %id, %error, "not entered"),
        }
    }
}
