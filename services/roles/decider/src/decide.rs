//! The loop of a decider.

use crate::dispatch::{Backlog, dispatch};
use crate::draft::Draft;
use crate::metrics::Metrics;
use crate::mint::SealingMint;
use oi_clock::now_ms;
use oi_domain::{Context, FEATURE_LEVEL, Limits, Rejection, decide, due, lost};
use oi_events::{
    ClusterName, ClusterUid, Code, Command, CommandEnvelope, CommandFacts, CommandId, Event,
    JobResult, Keys, Outcome, ReportJobV2,
};
use oi_journal::{
    AppendError, Appender, Asked, CommandInbox, DeadLettered, Delivered, JobQueue, MessageError,
    TailError,
};
use oi_keyring::{KeyMaker, Keyring, KeyringError};
use oi_pki::DataKey;
use oi_view::{View, ViewError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Span;
use tracing::field::Empty;
use uuid::Uuid;

/// How often time is asked what it owes.
const TICK: Duration = Duration::from_millis(250);
/// So many commands are decided together at most: one write to the disk stores them all.
const BATCH: usize = 256;
/// So many may wait; others are refused until it is their turn.
const WAITING: usize = 4096;

/// Why a command could not be decided now; it comes again.
#[derive(Debug, thiserror::Error)]
pub enum DeciderError {
    /// It has no stored form.
    #[error("the decision has no stored form")]
    Message(#[from] MessageError),
    /// Not appended.
    #[error("the decision was not stored")]
    Append(#[from] AppendError),
    /// The end of the log is not to be seen.
    #[error("the end of the log is not to be seen")]
    Tail(#[from] TailError),
    /// The state is not current.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Keys are not to be had.
    #[error("the cluster's key is not to be had")]
    Keys(#[from] KeyringError),
}

/// What a decider may do beside reading the state.
pub struct DeciderHandles {
    /// Appends to the log.
    pub appender: Appender,
    /// Takes commands.
    pub commands: CommandInbox,
    /// Enqueues jobs.
    pub jobs: JobQueue,
    /// Opens key material.
    pub keyring: Keyring,
    /// Creates the keys of new clusters.
    pub key_maker: KeyMaker,
}

/// Decides commands and offers jobs.
pub struct Decider {
    handles: DeciderHandles,
    view: View,
    metrics: Arc<Metrics>,
    settings: DeciderSettings,
    backlog: Backlog,
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
    /// How many jobs are offered at a time.
    pub limits: Limits,
    /// While so many jobs are owed, commands that add more are refused.
    pub max_pending_jobs: usize,
}

impl DeciderSettings {
    /// Five minutes, a year, and ten thousand jobs.
    pub fn new(name: &str) -> DeciderSettings {
        DeciderSettings {
            name: name.to_owned(),
            evacuate_after: Some(Duration::from_secs(300)),
            certificate_life: Duration::from_secs(365 * 24 * 3600),
            limits: Limits::default(),
            max_pending_jobs: 10_000,
        }
    }
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

/// A decision's span, below the root that the gateway made; or the root itself of what
/// oi asks of itself.
fn decision_span(envelope: &CommandEnvelope) -> Span {
    let kind = envelope.command.kind().name;
    let (id, actor) = (envelope.id, &envelope.actor);
    let span = tracing::info_span!(
        "decide", otel.name = Empty, otel.kind = Empty, %id, actor, outcome = Empty
    );
    if actor.starts_with("system:") {
        oi_trace::name(&span, kind, "consumer");
        oi_trace::root(&span, id);
    } else {
        oi_trace::name(&span, "decide", "consumer");
        oi_trace::within(&span, id);
    }
    span
}

/// The spans of decisions that are made together, where spans are sent.
fn decision_spans<'a>(
    envelopes: impl Iterator<Item = &'a CommandEnvelope>,
) -> BTreeMap<CommandId, Span> {
    let wanted = envelopes.filter(|_| oi_trace::is_on());
    wanted.map(|envelope| (envelope.id, decision_span(envelope))).collect()
}

impl Decider {
    /// A decider over the view of a log.
    pub fn new(
        handles: DeciderHandles,
        view: View,
        metrics: Arc<Metrics>,
        settings: DeciderSettings,
    ) -> Decider {
        Decider { handles, view, metrics, settings, backlog: Backlog::default() }
    }

    /// Works until it is told to stop, and finishes what it has in hand. Where it is
    /// dropped, that comes again elsewhere.
    pub async fn run(&self, stop: CancellationToken) {
        let (sender, mut asked) = mpsc::channel(WAITING);
        let mut beside = JoinSet::new();
        let intake = beside.spawn(self.handles.commands.clone().take_commands(sender));
        beside.spawn(dispatch(
            self.handles.jobs.clone(),
            self.view.clone(),
            self.settings.limits,
            self.backlog.clone(),
            self.metrics.clone(),
        ));
        let mut dead_lettered = self.handles.jobs.dead_lettered();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = asked.recv_many(&mut batch, BATCH) => self.handle(batch.drain(..)).await,
                given_up = dead_lettered.next() => self.report_dead_lettered(given_up).await,
                _ = tick.tick() => self.enter_due().await,
            }
        }
        // Nothing new is heard; what was heard is answered.
        intake.abort();
        while asked.recv_many(&mut batch, BATCH).await > 0 {
            self.handle(batch.drain(..)).await;
        }
    }

    /// Decides what waits, and answers as soon as something is stored.
    async fn handle(&self, batch: impl Iterator<Item = Asked>) {
        let started = Instant::now();
        let mut waiting: Vec<Asked> = batch.collect();
        let mut spans = decision_spans(waiting.iter().map(|a| &a.envelope));
        self.metrics.batch_commands.observe(waiting.len() as f64);
        while !waiting.is_empty() {
            let envelopes: Vec<&CommandEnvelope> = waiting.iter().map(|a| &a.envelope).collect();
            let mut outcomes = vec![None; envelopes.len()];
            let failed = self.decide_some(&envelopes, &mut outcomes).await.err();
            if let Some(error) = &failed {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "not decided, trying again"
                );
            }
            let mut undecided = Vec::new();
            for (asked, outcome) in waiting.into_iter().zip(outcomes) {
                match outcome {
                    Some(outcome) => {
                        if let Some(span) = spans.remove(&asked.envelope.id) {
                            span.record("outcome", tracing::field::debug(&outcome));
                        }
                        self.settle(asked, outcome, started).await;
                    }
                    None if failed.is_some() => asked.give_back().await,
                    None => undecided.push(asked),
                }
            }
            waiting = undecided;
        }
        let position = self.view.position();
        self.metrics.position.set(i64::try_from(position).unwrap_or(i64::MAX));
    }

    async fn settle(&self, asked: Asked, outcome: Outcome, started: Instant) {
        let kind = asked.envelope.command.kind().name;
        let word = match &outcome {
            Outcome::Committed { .. } => "committed",
            Outcome::Unchanged { .. } => "unchanged",
            Outcome::Rejected { .. } => "rejected",
        };
        tracing::info!(command = %asked.envelope.id, kind, actor = asked.envelope.actor, ?outcome, "decided");
        self.metrics.commands.with_label_values(&[kind, word]).inc();
        self.metrics.decision_seconds.observe(started.elapsed().as_secs_f64());
        asked.settle(&outcome).await;
    }

    /// Decides commands in their order, each against the state at the end of the log,
    /// whoever else writes to it. Those without an outcome are not decided, for the reason
    /// that comes with them.
    async fn decide_all(
        &self,
        asked: &[&CommandEnvelope],
    ) -> (Vec<Option<Outcome>>, Option<DeciderError>) {
        let mut outcomes = vec![None; asked.len()];
        while outcomes.iter().any(Option::is_none) {
            if let Err(error) = self.decide_some(asked, &mut outcomes).await {
                return (outcomes, Some(error));
            }
        }
        (outcomes, None)
    }

    /// One attempt: what it decides is stored together. Where somebody else was faster,
    /// nothing of it counts.
    async fn decide_some(
        &self,
        asked: &[&CommandEnvelope],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), DeciderError> {
        let mut draft = Draft::new(&self.view);
        let mut drafted: BTreeMap<usize, Outcome> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        let pending: Vec<usize> = (0..asked.len()).filter(|&n| outcomes[n].is_none()).collect();
        for &n in &pending {
            let envelope = asked[n];
            if let Some(position) = self.view.read(|s| s.processed.position(&envelope.id)) {
                outcomes[n] = Some(Outcome::Committed { position });
                continue;
            }
            // The same command twice: the second is found by its id in the next attempt.
            if draft.is_full() || !ids.insert(envelope.id) {
                continue;
            }
            if let Some(busy) = self.too_much(&envelope.command) {
                outcomes[n] = Some(busy);
                continue;
            }
            let Some((decision, now_ms)) = self.decide_one(&draft, envelope).await? else {
                break;
            };
            let outcome = match decision {
                Err(rejection) => {
                    Outcome::Rejected { code: rejection.code(), message: rejection.to_string() }
                }
                Ok(events) if events.is_empty() => {
                    Outcome::Unchanged { position: draft.position() }
                }
                Ok(events) => {
                    let more = Some(&n) != pending.last();
                    if !draft.push(&self.view, envelope, now_ms, events, more)? {
                        break;
                    }
                    Outcome::Committed { position: draft.position() }
                }
            };
            drafted.insert(n, outcome);
        }
        if drafted.is_empty() {
            return Ok(());
        }
        if self.store(draft).await? {
            drafted.into_iter().for_each(|(n, outcome)| outcomes[n] = Some(outcome));
        }
        Ok(())
    }

    /// Refuses new work while more than enough is owed.
    fn too_much(&self, command: &Command) -> Option<Outcome> {
        let owed = self.backlog.jobs();
        (owed >= self.settings.max_pending_jobs && command.facts().adds_work).then(|| {
            Outcome::Rejected {
                code: Code::BacklogFull,
                message: format!(
                    "{owed} jobs are owed already: try again when some of them are done"
                ),
            }
        })
    }

    /// Stores a draft, and folds it. False where somebody else was faster: what they wrote
    /// is folded then.
    async fn store(&self, draft: Draft) -> Result<bool, DeciderError> {
        let base = draft.base();
        let entries = draft.into_entries();
        let moved = if entries.is_empty() {
            // What is not appended is not checked by the broker: another decider may have
            // written what is not folded here yet.
            !self.handles.appender.ends_at(base).await?
        } else {
            match self.handles.appender.append_all(&entries, base).await {
                Ok(()) => {
                    for (position, entry) in (base + 1..).zip(entries) {
                        self.view.fold(entry.recorded(position));
                    }
                    return Ok(true);
                }
                Err(AppendError::Conflict { .. }) => true,
                Err(error) => return Err(error.into()),
            }
        };
        if moved {
            self.view.wait_for(base + 1).await?;
        }
        Ok(!moved)
    }

    /// What the rules say to a command on top of a draft, and the time at which they were
    /// asked; none where the log has moved on.
    async fn decide_one(
        &self,
        draft: &Draft,
        envelope: &CommandEnvelope,
    ) -> Result<Option<(Result<Vec<Event>, Rejection>, u64)>, DeciderError> {
        let (mut key, mut source) = (None, None);
        loop {
            let now_ms = now_ms();
            let fetched = key.is_some();
            let decided = {
                let leaf_life_ms = millis(self.settings.certificate_life);
                let mint =
                    SealingMint { key: key.take(), source: source.take(), now_ms, leaf_life_ms };
                let context = Context { now_ms, mint: &mint, begins: Some(FEATURE_LEVEL) };
                draft.look(&self.view, |state| decide(state, envelope, &context))
            };
            // A key is made only for what is acceptable but for the key.
            if let Some(Err(Rejection::Mint(_))) = decided
                && !fetched
            {
                key = self.key_for(draft, envelope).await?;
                source = self.source_key(draft, envelope).await?;
                if key.is_some() {
                    continue;
                }
            }
            return Ok(decided.map(|decision| (decision, now_ms)));
        }
    }

    /// The data key that a decision on this command may need.
    async fn key_for(
        &self,
        draft: &Draft,
        envelope: &CommandEnvelope,
    ) -> Result<Option<DataKey>, KeyringError> {
        let CommandFacts { about, keys, .. } = envelope.command.facts();
        match keys {
            Keys::None => Ok(None),
            Keys::New => {
                self.handles.key_maker.key_for_new(ClusterUid(envelope.id.0)).await.map(Some)
            }
            Keys::Standing => self.standing_key(self.uid(draft, about.cluster.as_ref())).await,
        }
    }

    /// The data key of a cluster from which the command takes something over.
    async fn source_key(
        &self,
        draft: &Draft,
        envelope: &CommandEnvelope,
    ) -> Result<Option<DataKey>, KeyringError> {
        let source = envelope.command.facts().about.source;
        self.standing_key(self.uid(draft, source.as_ref())).await
    }

    async fn standing_key(&self, uid: Option<ClusterUid>) -> Result<Option<DataKey>, KeyringError> {
        let Some(uid) = uid else { return Ok(None) };
        match self.handles.keyring.key(uid).await {
            // The rules say what to do about it.
            Err(KeyringError::Destroyed(_)) => Ok(None),
            other => other.map(Some),
        }
    }

    fn uid(&self, draft: &Draft, cluster: Option<&ClusterName>) -> Option<ClusterUid> {
        let cluster = cluster?;
        draft.look(&self.view, |s| s.clusters.get(cluster).map(|c| c.uid)).flatten()
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
        self.enter(commands).await;
    }

    async fn report_dead_lettered(&self, delivered: Delivered<DeadLettered>) {
        match self.handles.jobs.remove_dead_lettered(&delivered.value).await {
            Ok(Some(job)) => {
                tracing::error!(%job, "job given up after too many deliveries");
                let report = ReportJobV2 { job, result: JobResult::DeadLettered, took_ms: 0 };
                self.enter(vec![report.into()]).await;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "a dead-lettered job is not looked at");
                return;
            }
        }
        let _ = delivered.ack().await;
    }

    async fn enter(&self, commands: Vec<Command>) {
        let actor = format!("system:decider:{}", self.settings.name);
        let envelope = |command| {
            CommandEnvelope::new(CommandId(Uuid::now_v7()), actor.clone(), now_ms(), command)
        };
        let envelopes: Vec<CommandEnvelope> = commands.into_iter().map(envelope).collect();
        let _spans = decision_spans(envelopes.iter());
        let (outcomes, failed) = self.decide_all(&envelopes.iter().collect::<Vec<_>>()).await;
        for (envelope, outcome) in envelopes.iter().zip(outcomes) {
            tracing::debug!(command = %envelope.id, ?outcome, "entered");
        }
        if let Some(error) = failed {
            tracing::warn!(error = &error as &dyn std::error::Error, "not entered");
        }
    }
}
