//! Commands of producers, which come as messages on `oi.submit.<role>.<producer>`, those
//! of a tenant on `oi.submit.<role>.<tenant>.<producer>`.
//!
//! The broker's permissions say who may publish on which subject, so the name in it is the
//! actor, and its role and tenant decide what it may ask for, as over gRPC.
//! Commands of one producer are decided one after the other, in their order; producers
//! wait for each other only where more waits here than there is room for, and the broker takes no
//! more than a thousand of one. Whatever is wrong with a message, it is answered, recorded, and gone.

use crate::convert::{self, authentication};
use crate::decision::command_span;
use crate::identity::{Identity, actor_of};
use crate::rejected::Rejected;
use crate::rejection_log::with_source;
use crate::service::{Gateway, LARGEST, WAITING, permits};
use oi_events::{Code, CommandEnvelope, Limit, chain};
use oi_journal::{Delivered, Submission};
use oi_proto::v1::{self, command_outcome};
use prost::Message;
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tracing::Instrument;

const POSTCARD: &str = "application/x-oi-postcard";
const PROTOBUF: [&str; 2] = ["application/x-protobuf", "application/protobuf"];
/// Where outcomes may be sent: nowhere that oi itself listens.
const REPLIES: [&str; 2] = ["_INBOX.", "oi.outcomes."];
/// Bytes of a subject for an outcome.
const REPLY: usize = 200;
/// The broker is told so often that a message is in hand: it waits for 5 s.
const PROGRESS: Duration = Duration::from_secs(2);
/// A producer that is silent for so long is forgotten.
const SILENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

fn reply_subject(submission: &Submission) -> Option<String> {
    let subject = submission.reply_to.as_ref()?;
    let plain = !subject.contains(['*', '>', ' ', '\t']) && subject.len() <= REPLY;
    let allowed = REPLIES.iter().any(|start| subject.starts_with(start));
    (plain && allowed).then(|| subject.clone())
}

/// What a message says, as far as it can be told.
struct Read {
    id: String,
    kind: &'static str,
    envelope: Result<CommandEnvelope, Rejected>,
}

fn read(submission: &Submission, actor: &str) -> Read {
    let refused = |id: &str, refused| Read { id: id.to_owned(), kind: "", envelope: Err(refused) };
    if submission.payload.len() > LARGEST {
        let refusal = Rejected::new(Code::TooLarge, Limit::Request.problem());
        return refused("", refusal);
    }
    if submission.reply_to.is_some() && reply_subject(submission).is_none() {
        let problem = format!(
            "Oi-Reply-To: an outcome goes to _INBOX.> or oi.outcomes.> only, in at most {REPLY} characters"
        );
        return refused("", Rejected::new(Code::Forbidden, problem));
    }
    let envelope = match submission.content_type.as_deref() {
        Some(POSTCARD) => submission
            .postcard()
            .map(|envelope| CommandEnvelope { actor: actor.to_owned(), ..envelope })
            .map_err(|e| Rejected::new(Code::Malformed, chain(&e)))
            .and_then(|envelope| authentication::check(&envelope.command).map(|()| envelope))
            .and_then(convert::dated),
        None => protobuf(submission, actor),
        Some(named) if PROTOBUF.contains(&named) => protobuf(submission, actor),
        Some(other) => Err(Rejected::field(
            "Content-Type",
            format!("{other:?} is none of application/x-protobuf, {POSTCARD}"),
        )),
    };
    match envelope {
        Ok(envelope) => {
            let (id, kind) = (envelope.id.to_string(), envelope.command.kind().name);
            Read { id, kind, envelope: Ok(envelope) }
        }
        Err(why) => {
            let id = match v1::SubmitRequest::decode(&*submission.payload) {
                Ok(request) => request.command_id,
                // That is among what is wrong.
                Err(_) => String::new(),
            };
            refused(&id, why)
        }
    }
}

fn protobuf(submission: &Submission, actor: &str) -> Result<CommandEnvelope, Rejected> {
    let request = v1::SubmitRequest::decode(&*submission.payload).map_err(|e| {
        Rejected::new(Code::Malformed, format!("the payload is no oi.v1.SubmitRequest: {e}"))
    })?;
    let actor = match request.actor.as_str() {
        "" => actor.to_owned(),
        person => format!("{actor}:{person}"),
    };
    convert::envelope(v1::SubmitRequest { actor, ..request })
}

/// A message that waits here, with its part of the room for those.
struct Held {
    delivered: Arc<Delivered<Submission>>,
    _room: OwnedSemaphorePermit,
}

async fn tell_progress(delivered: &Delivered<Submission>) {
    if let Err(error) = delivered.progress().await {
        tracing::debug!(%error, "a submission that waits is delivered again");
    }
}

impl Gateway {
    /// Takes submissions without end.
    pub(crate) async fn take_submissions(self) {
        let mut queue = self.handles.submissions.queue();
        let room = Arc::new(Semaphore::new(WAITING as usize));
        let mut lanes: BTreeMap<String, mpsc::UnboundedSender<Held>> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        loop {
            let delivered = tokio::select! {
                delivered = queue.next() => delivered,
                Some(_) = tasks.join_next() => {
                    lanes.retain(|_, lane| !lane.is_closed());
                    continue;
                }
            };
            let producer = actor_of(&delivered.value);
            let bytes = permits(delivered.bytes);
            // It is never closed.
            let Ok(room) = room.clone().acquire_many_owned(bytes).await else { return };
            let mut held = Held { delivered: Arc::new(delivered), _room: room };
            if let Some(lane) = lanes.get(&producer) {
                match lane.send(held) {
                    Ok(()) => continue,
                    Err(mpsc::error::SendError(back)) => held = back,
                }
            }
            let (lane, messages) = mpsc::unbounded_channel();
            tasks.spawn(self.clone().lane(messages));
            if lane.send(held).is_err() {
                tracing::warn!(producer, "a lane ended at once: its submission comes again");
            }
            lanes.insert(producer, lane);
        }
    }

    /// One producer's commands. The broker hears that those that wait are not lost.
    async fn lane(self, mut messages: mpsc::UnboundedReceiver<Held>) {
        let mut waiting = VecDeque::new();
        let mut tick = tokio::time::interval(PROGRESS);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let Some(Held { delivered, _room }) = waiting.pop_front() else {
                match tokio::time::timeout(SILENCE, messages.recv()).await {
                    Ok(Some(held)) => waiting.push_back(held),
                    Ok(None) => return,
                    // What arrives meanwhile is still taken.
                    Err(_) => messages.close(),
                }
                continue;
            };
            let mut work = pin!(self.submission(delivered.clone()));
            loop {
                tokio::select! {
                    () = &mut work => break,
                    _ = tick.tick() => tell_progress(&delivered).await,
                }
                while let Ok(held) = messages.try_recv() {
                    waiting.push_back(held);
                }
                for held in &waiting {
                    tell_progress(&held.delivered).await;
                }
            }
        }
    }

    async fn submission(&self, delivered: Arc<Delivered<Submission>>) {
        let submission = &delivered.value;
        let actor = actor_of(submission);
        let Read { id, kind, envelope } = read(submission, &actor);
        let decided = match (envelope, Identity::of_producer(submission)) {
            (Ok(envelope), Ok(who)) => self.decide_patiently(&who, &envelope).await,
            (Err(refused), _) | (_, Err(refused)) => Err(refused),
        };
        let told = |refused: Rejected| {
            with_source(refused.to_record(&id, &actor, kind), "jetstream", &submission.payload)
        };
        let (record, outcome) = match decided {
            Ok(response) => {
                let again = response.duplicate && delivered.attempt == 1;
                let record = again.then(|| {
                    let first = response.position;
                    told(Rejected::new(
                        Code::Duplicate,
                        format!("it was decided at position {first}"),
                    ))
                });
                (record, command_outcome::Outcome::Decided(response))
            }
            Err(refused) => {
                let rejection = told(refused);
                (Some(rejection.clone()), command_outcome::Outcome::Rejected(rejection))
            }
        };
        if let Some(rejection) = record {
            self.record(&rejection).await;
        }
        if let Some(subject) = reply_subject(submission) {
            let outcome = v1::CommandOutcome { command_id: id, outcome: Some(outcome) };
            if let Err(error) =
                self.handles.submissions.answer(subject, outcome.encode_to_vec()).await
            {
                tracing::debug!(%error, "an outcome is not told");
            }
        }
        // Not waited for: if it is lost, the command is found by its id.
        tokio::spawn(async move {
            if let Err(error) = delivered.ack().await {
                tracing::debug!(%error, "submission comes again");
            }
        });
    }

    /// What is stored already waits until somebody can decide it. Each time it is looked whether it
    /// may be asked for: meanwhile a cluster may have become another's.
    async fn decide_patiently(
        &self,
        who: &Identity,
        envelope: &CommandEnvelope,
    ) -> Result<v1::SubmitResponse, Rejected> {
        let mut span = None;
        loop {
            let decided = match self.asked(who, envelope.clone()).await {
                Ok(asked) => {
                    let span = span.get_or_insert_with(|| command_span(&asked)).clone();
                    self.decide(&asked).instrument(span).await
                }
                Err(refused) => Err(refused),
            };
            match decided {
                // Whoever sent it is told: until there is room others would have to wait.
                Err(refused) if refused.code.is_passing() && refused.code != Code::BacklogFull => {
                    tokio::time::sleep(PAUSE).await;
                }
                decided => return decided,
            }
        }
    }
}
