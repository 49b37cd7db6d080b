//! The loop of a decider.

use crate::clock::Clock;
use crate::dispatch::{Backlog, dispatch};
use crate::enter::Refused;
use crate::metrics::Metrics;
use crate::settings::DeciderSettings;
use crate::spans::decision_spans;
use oi_clock::Pulse;
use oi_events::{Code, CommandEnvelope, Outcome};
use oi_journal::{Appender, Asked, BrokerClock, CommandInbox, DeadLettered, JobQueue, Queue};
use oi_keyring::{KeyMaker, Keyring};
use oi_view::View;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// How often time is asked what it owes.
const TICK: Duration = Duration::from_millis(250);
/// So many commands are decided together at most: one write to the disk stores them all.
const BATCH: usize = 256;
/// So many may wait, if they are small enough (`oi_journal` counts bytes); others are refused until
/// it is their turn.
const WAITING: usize = 4096;

/// What a decider may do beside reading the state.
pub struct DeciderHandles {
    /// Tells what time it is at the broker.
    pub broker_clock: BrokerClock,
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
    pub(crate) handles: DeciderHandles,
    pub(crate) view: View,
    metrics: Arc<Metrics>,
    pub(crate) settings: DeciderSettings,
    pub(crate) backlog: Backlog,
    pub(crate) clock: Clock,
    pulse: Pulse,
    pub(crate) refused: Refused,
}

/// What is told of a stored command that was never decided, however often it was delivered.
fn given_up() -> Outcome {
    Outcome::Rejected {
        code: Code::GivenUp,
        message: "it was delivered too often without a decision: the servers' logs say why; when that is mended, send it again under a new id".to_owned(),
    }
}

/// Goes on with the panic of a task.
fn resume(ended: JoinError) {
    if let Ok(panic) = ended.try_into_panic() {
        std::panic::resume_unwind(panic);
    }
}

impl Decider {
    /// A decider over the view of a log.
    pub fn new(
        handles: DeciderHandles,
        view: View,
        metrics: Arc<Metrics>,
        settings: DeciderSettings,
    ) -> Decider {
        let clock = Clock::new(handles.broker_clock.clone(), view.clone(), settings.clock_limit);
        Decider {
            handles,
            view,
            metrics,
            settings,
            backlog: Backlog::default(),
            clock,
            pulse: Pulse::default(),
            refused: Refused::default(),
        }
    }

    /// What time it is, and whether that is known.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Beats while its loop goes round, several times a second.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Works until it is told to stop, and finishes what it has in hand. Where it is
    /// dropped, that comes again elsewhere.
    ///
    /// # Panics
    /// If one of its tasks does: it never works on with a part of itself.
    pub async fn run(&self, stop: CancellationToken) {
        let mut beside = JoinSet::new();
        beside.spawn(self.clock.clone().keep(self.metrics.clone()));
        beside.spawn(dispatch(
            self.handles.jobs.clone(),
            self.view.clone(),
            self.settings.limits,
            self.backlog.clone(),
            self.metrics.clone(),
        ));
        let mut dead_lettered = self.handles.jobs.dead_lettered();
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(Err(ended)) = beside.join_next() => resume(ended),
                () = self.keep_beating() => {}
                () = self.clock.agree() => {
                    self.decide(&stop, &mut beside, &mut dead_lettered).await;
                }
            }
        }
    }

    /// Beats without end: who waits to know the time does not hang.
    async fn keep_beating(&self) {
        loop {
            self.pulse.beat();
            tokio::time::sleep(TICK).await;
        }
    }

    /// Decides until it is told to stop, or until it is not known what time it is: other deciders
    /// hear the commands then.
    async fn decide(
        &self,
        stop: &CancellationToken,
        beside: &mut JoinSet<()>,
        dead_lettered: &mut Queue<DeadLettered>,
    ) {
        let (sender, mut asked) = mpsc::channel(WAITING);
        let inbox = beside.spawn(self.handles.commands.clone().take_commands(sender));
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            self.pulse.beat();
            self.metrics.turns.inc();
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.clock.disagree() => break,
                Some(Err(ended)) = beside.join_next() => resume(ended),
                _ = asked.recv_many(&mut batch, BATCH) => self.handle(batch.drain(..)).await,
                given_up = dead_lettered.next() => self.report_dead_lettered(given_up).await,
                _ = tick.tick() => self.enter_due().await,
            }
        }
        // Nothing new is heard; what was heard is answered, or given back.
        inbox.abort();
        while asked.recv_many(&mut batch, BATCH).await > 0 {
            self.handle(batch.drain(..)).await;
        }
    }

    /// Decides what waits, and answers as soon as something is stored.
    async fn handle(&self, batch: impl Iterator<Item = Asked>) {
        let started = Instant::now();
        let (hopeless, mut waiting): (Vec<Asked>, Vec<Asked>) = batch.partition(Asked::is_given_up);
        for asked in hopeless {
            match self.fate(&asked).await {
                Some(outcome) => self.settle(asked, outcome, started).await,
                None => asked.give_back().await,
            }
        }
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
        self.metrics.position.set(0_i64.saturating_add_unsigned(position));
    }

    /// What became of a command that was delivered too often; none while the end of the log is
    /// not known here, where its decision may stand.
    async fn fate(&self, asked: &Asked) -> Option<Outcome> {
        match self.handles.appender.ends_at(self.view.position()).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "not known whether it is decided"
                );
                return None;
            }
        }
        let decided = self.view.read(|s| s.processed.position(&asked.envelope.id));
        Some(decided.map_or_else(given_up, |position| Outcome::Committed { position }))
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
}
