//! One attempt to decide what waits, and to store it.

use crate::decider::Decider;
use crate::draft::{Draft, Pushed};
use crate::mint::SealingMint;
use oi_clock::millis;
use oi_domain::{ClockError, Context, FEATURE_LEVEL, Rejection, State, decide};
use oi_events::{
    ClusterName, ClusterUid, Code, Command, CommandEnvelope, CommandFacts, Event, Keys, Outcome,
    chain, shorten,
};
use oi_journal::{AppendError, Entry, MessageError, TailError};
use oi_keyring::KeyringError;
use oi_pki::DataKey;
use oi_view::ViewError;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

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
    /// It is not known what time it is.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// Keys are not to be had.
    #[error("the cluster's key is not to be had")]
    Keys(#[from] KeyringError),
}

impl DeciderError {
    /// What a command is told whose decision can never be stored; none where that is not said.
    fn rejection(&self) -> Option<Outcome> {
        let code = match self {
            DeciderError::Append(AppendError::TooLarge { .. }) => Code::TooLarge,
            DeciderError::Message(_) | DeciderError::Append(AppendError::Message(_)) => {
                Code::Malformed
            }
            DeciderError::Append(_)
            | DeciderError::Tail(_)
            | DeciderError::View(_)
            | DeciderError::Clock(_)
            | DeciderError::Keys(_) => return None,
        };
        Some(rejected(code, chain(self)))
    }

    /// Whether one of several commands may be the reason: others may still be decided.
    fn is_of_one(&self) -> bool {
        let key = matches!(self, DeciderError::Keys(KeyringError::Key { .. }));
        key || self.rejection().is_some()
    }
}

/// A rejection whose message is no longer than fits.
fn rejected(code: Code, message: String) -> Outcome {
    Outcome::Rejected { code, message: shorten(message) }
}

fn too_large(size: usize) -> Outcome {
    let message = format!(
        "the decision would take {} KiB, and at most {} KiB can be recorded: ask for less at a time",
        size.div_ceil(1024),
        Entry::LARGEST / 1024
    );
    rejected(Code::TooLarge, message)
}

/// Decides. A defect in the rules refuses the command that shows it, and ends nothing: it would
/// end each decider that hears the command.
fn guarded(
    state: &State,
    envelope: &CommandEnvelope,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match catch_unwind(AssertUnwindSafe(|| decide(state, envelope, context))) {
        Ok(decided) => decided,
        // The panic is in this server's log.
        Err(_) => Err(defect(envelope)),
    }
}

/// Refuses a command that shows a defect, and tells what a report of it needs. Commands hold no
/// secrets: all of them are in the log.
fn defect(envelope: &CommandEnvelope) -> Rejection {
    let command = &envelope.command;
    let (kind, arguments) = (command.kind().name, shorten(format!("{command:?}")));
    tracing::error!(command = %envelope.id, kind, arguments, "shows a defect of oi: it is refused");
    Rejection::Defect(envelope.id)
}

impl Decider {
    /// One attempt to decide some of them. Where one of them may be the reason that nothing is
    /// stored, each is decided singly.
    pub(crate) async fn decide_some(
        &self,
        asked: &[&CommandEnvelope],
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), DeciderError> {
        let Err(error) = self.decide_together(asked, outcomes).await else { return Ok(()) };
        if !error.is_of_one() {
            return Err(error);
        }
        let mut failed = None;
        for n in 0..asked.len() {
            if outcomes[n].is_some() {
                continue;
            }
            match self.decide_together(&asked[n..=n], &mut outcomes[n..=n]).await {
                Ok(()) => {}
                Err(error) if !error.is_of_one() => return Err(error),
                Err(error) => {
                    outcomes[n] = error.rejection();
                    failed = outcomes[n].is_none().then_some(error).or(failed);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// One attempt: what it decides is stored together. Where somebody else was faster,
    /// nothing of it counts.
    async fn decide_together(
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
                Err(rejection) => rejected(rejection.code(), rejection.to_string()),
                Ok(events) if events.is_empty() => {
                    Outcome::Unchanged { position: draft.position() }
                }
                Ok(events) => {
                    match draft.push(&self.view, envelope, now_ms, events)? {
                        Pushed::Added => Outcome::Committed { position: draft.position() },
                        Pushed::TooLarge(size) => too_large(size),
                        Pushed::Defect => {
                            let defect = defect(envelope);
                            outcomes[n] = Some(rejected(defect.code(), defect.to_string()));
                            // What was decided before it is stored; its state is lost.
                            break;
                        }
                        Pushed::Moved => break,
                    }
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
            let message =
                format!("{owed} jobs are owed already: try again when some of them are done");
            rejected(Code::BacklogFull, message)
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
                        self.view.fold(entry.recorded(position))?;
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
            // Time never goes back in the log.
            let clock_ms = self.clock.now()?;
            let Some(last_ms) = draft.look(&self.view, |s| s.time_ms) else { return Ok(None) };
            let now_ms = clock_ms.max(last_ms);
            let fetched = key.is_some();
            let decided = {
                let leaf_life_ms = millis(self.settings.certificate_life);
                let mint = SealingMint {
                    key: key.take(),
                    source: source.take(),
                    now_ms: clock_ms,
                    leaf_life_ms,
                };
                let context = Context { now_ms, mint: &mint, begins: Some(FEATURE_LEVEL) };
                draft.look(&self.view, |state| guarded(state, envelope, &context))
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
}
