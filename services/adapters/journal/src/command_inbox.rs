//! Taking commands: those asked directly, and those that were stored.
//!
//! A direct request costs no write of its own: the command is stored with its decision. It is
//! for callers that wait for the answer and ask again if none comes. One decider hears each;
//! if none does, the sender stores the command.

use crate::connection::Connection;
use crate::message::{decode_command, decode_stored_command};
use crate::queue::{Delivered, Queue};
use crate::streams::COMMAND_CONSUMER;
use crate::subjects;
use async_nats::client::PublishError;
use async_nats::{Message, Subject};
use futures::StreamExt;
use oi_events::{Code, CodecError, CommandEnvelope, CommandId, Outcome};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// The group of all deciders, so that one of them hears each request.
const DECIDERS: &str = "deciders";

/// So many bytes of commands wait in a process at most, as they came: in memory they take several
/// times as much.
const WAITING: u32 = 8 * 1024 * 1024;
/// Stored commands that are fetched before there is room for them.
const AHEAD: usize = 64;

/// A stored command is given up after so many deliveries.
const DELIVERIES: i64 = 100;
/// The longest pause before a stored command is delivered again.
const PAUSE: Duration = Duration::from_secs(16);

/// The pause after the nth delivery: half a second, a second, two seconds …
fn pause(attempt: i64) -> Duration {
    let doubled = (attempt - 1).clamp(0, 5);
    PAUSE.min(Duration::from_millis(500 << doubled))
}

/// Why an outcome was not announced.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The outcome has no stored form.
    #[error("the outcome cannot be encoded")]
    Encode(#[from] CodecError),
    /// The connection is down.
    #[error("the outcome cannot be sent")]
    Publish(#[from] PublishError),
}

/// A command that waits for its decision.
pub struct Asked {
    /// The command.
    pub envelope: CommandEnvelope,
    inbox: CommandInbox,
    from: From,
    /// Its part of what may wait.
    _room: OwnedSemaphorePermit,
}

enum From {
    Direct { reply: Subject },
    Stored(Box<Delivered<CommandEnvelope>>),
}

impl Asked {
    /// Answers, and takes a stored command out of its queue. A sender that does not hear the
    /// answer asks again; the command is found by its id then.
    pub async fn settle(self, outcome: &Outcome) {
        match self.from {
            From::Direct { reply } => self.inbox.reply(reply, outcome).await,
            From::Stored(delivered) => {
                if let Err(error) = self.inbox.answer(self.envelope.id, outcome).await {
                    tracing::debug!(%error, "stored command not answered");
                }
                // Not waited for.
                tokio::spawn(async move {
                    if let Err(error) = delivered.ack().await {
                        tracing::debug!(%error, "command is delivered again");
                    }
                });
            }
        }
    }

    /// Whether it was delivered so often without a decision that there will be none: it ends
    /// deciders, or for minutes nothing could be stored.
    pub fn is_given_up(&self) -> bool {
        matches!(&self.from, From::Stored(delivered) if delivered.attempt > DELIVERIES)
    }

    /// Leaves it undecided: a stored command is delivered again, each time after a longer pause;
    /// the sender of a direct one asks again.
    pub async fn give_back(self) {
        if let From::Stored(delivered) = self.from {
            // The command is delivered again all the same.
            if let Err(error) = delivered.nak(pause(delivered.attempt)).await {
                tracing::debug!(%error, "a command is not given back");
            }
        }
    }
}

fn busy() -> Outcome {
    Outcome::Rejected {
        code: Code::Busy,
        message: "too many commands wait for their decision: try again in a second".to_owned(),
    }
}

/// Takes commands and answers them. Clones share a connection.
#[derive(Clone)]
pub struct CommandInbox {
    connection: Arc<Connection>,
    /// The bytes that may still wait.
    room: Arc<Semaphore>,
}

/// As many permits as a command takes of all that may wait: all of them, if it is larger.
fn permits(bytes: usize) -> u32 {
    match u32::try_from(bytes) {
        Ok(bytes) => bytes.min(WAITING),
        Err(_larger) => WAITING,
    }
}

impl CommandInbox {
    pub(crate) fn new(connection: Arc<Connection>) -> CommandInbox {
        CommandInbox { connection, room: Arc::new(Semaphore::new(WAITING as usize)) }
    }

    /// Hands over each command that reaches this decider, until the receiver is dropped.
    /// While the receiver's channel is full, direct requests are refused as `busy`, and
    /// stored commands stay in their queue.
    pub async fn take_commands(self, to: mpsc::Sender<Asked>) {
        tokio::join!(self.take_stored(&to), self.hear(&to));
    }

    /// The stored commands, shared among all deciders.
    pub fn queue(&self) -> Queue<CommandEnvelope> {
        Queue::new(&self.connection, &COMMAND_CONSUMER, |m| {
            let headers = m.headers.clone().unwrap_or_default();
            decode_stored_command(&m.subject, &headers, &m.payload)
        })
        .ahead(AHEAD)
    }

    /// Announces the outcome of a stored command to whoever waits for it.
    ///
    /// # Errors
    /// When the connection is down; whoever waits asks again.
    pub async fn answer(&self, id: CommandId, outcome: &Outcome) -> Result<(), AnswerError> {
        self.send(subjects::outcome(id).into(), outcome).await
    }

    async fn send(&self, to: Subject, outcome: &Outcome) -> Result<(), AnswerError> {
        let bytes = oi_events::to_bytes(outcome)?;
        Ok(self.connection.client.publish(to, bytes.into()).await?)
    }

    async fn reply(&self, to: Subject, outcome: &Outcome) {
        if let Err(error) = self.send(to, outcome).await {
            tracing::debug!(%error, "request not answered");
        }
    }

    async fn take_stored(&self, to: &mpsc::Sender<Asked>) {
        let mut queue = self.queue();
        loop {
            let delivered = queue.next().await;
            let envelope = delivered.value.clone();
            let room = self.room.clone().acquire_many_owned(permits(delivered.bytes)).await;
            // It is never closed.
            let Ok(_room) = room else { return };
            let (inbox, from) = (self.clone(), From::Stored(Box::new(delivered)));
            if to.send(Asked { envelope, inbox, from, _room }).await.is_err() {
                return;
            }
        }
    }

    async fn hear(&self, to: &mpsc::Sender<Asked>) {
        loop {
            let subscribed =
                self.connection.client.queue_subscribe(subjects::DECIDE, DECIDERS.to_owned());
            match subscribed.await {
                Ok(mut requests) => {
                    while let Some(request) = requests.next().await {
                        if !self.pass_on(request, to).await {
                            return;
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "direct requests are not heard yet"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// False once the receiver is dropped.
    async fn pass_on(&self, request: Message, to: &mpsc::Sender<Asked>) -> bool {
        let Some(reply) = request.reply else { return true };
        let headers = request.headers.unwrap_or_default();
        let envelope = match decode_command(&headers, &request.payload) {
            Ok(envelope) => envelope,
            Err(error) => {
                let (code, message) = (Code::Malformed, oi_events::chain(&error));
                self.reply(reply, &Outcome::Rejected { code, message }).await;
                return true;
            }
        };
        let room = permits(request.payload.len());
        let Ok(_room) = self.room.clone().try_acquire_many_owned(room) else {
            self.reply(reply, &busy()).await;
            return true;
        };
        let from = From::Direct { reply: reply.clone() };
        match to.try_send(Asked { envelope, inbox: self.clone(), from, _room }) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.reply(reply, &busy()).await;
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}
