//! Commands on their way to a decider: asked directly, or stored first.
//!
//! A direct question costs no write of its own: what is asked is stored with the decision.
//! It is for those who wait for the answer and ask again where none comes. Each is heard by
//! one decider; where there is none, or it is lost, the sender stores the command.

use crate::connect::Journal;
use crate::message::decode_command;
use crate::queue::Delivered;
use async_nats::{Message, Subject};
use futures::StreamExt;
use oi_events::{Code, CommandEnvelope, Outcome};
use std::time::Duration;
use tokio::sync::mpsc;

/// Where questions are heard.
pub(crate) const DECIDE: &str = "oi.decide";
/// All deciders share it, so that each question is heard by one.
const DECIDERS: &str = "deciders";

/// A command that waits for its decision.
pub struct Asked {
    /// What is asked.
    pub envelope: CommandEnvelope,
    journal: Journal,
    from: From,
}

enum From {
    Direct { reply: Subject },
    Stored(Box<Delivered<CommandEnvelope>>),
}

impl Asked {
    /// Answers, and takes a stored command out of its queue. Whoever does not hear the
    /// answer asks again; the command is found by its id then.
    pub async fn settle(self, outcome: &Outcome) {
        match self.from {
            From::Direct { reply } => self.journal.reply(reply, outcome).await,
            From::Stored(delivered) => {
                if let Err(error) = self.journal.answer(self.envelope.id, outcome).await {
                    tracing::debug!(%error, "nobody heard the answer");
                }
                // Not waited for.
                tokio::spawn(async move {
                    if let Err(error) = delivered.ack().await {
                        tracing::debug!(%error, "command comes again");
                    }
                });
            }
        }
    }

    /// Leaves it undecided: a stored command comes again, a direct one is asked again.
    pub async fn give_back(self) {
        if let From::Stored(delivered) = self.from {
            // Where this is lost, it comes again all the same.
            let _ = delivered.nak(Duration::from_millis(500)).await;
        }
    }
}

fn busy() -> Outcome {
    Outcome::Rejected {
        code: Code::Busy,
        message: "too many commands wait for their decision: try again in a second".to_owned(),
    }
}

impl Journal {
    async fn reply(&self, to: Subject, outcome: &Outcome) {
        match oi_events::to_bytes(outcome) {
            Ok(bytes) => {
                if let Err(error) = self.client.publish(to, bytes.into()).await {
                    tracing::debug!(%error, "nobody heard the answer");
                }
            }
            Err(error) => tracing::error!(%error, "an outcome cannot be sent"),
        }
    }

    /// Hands over each command that reaches this decider, until nobody takes them. Where
    /// the receiver does not keep up, direct questions are refused as `busy`, and stored
    /// commands stay where they are.
    pub async fn take_commands(self, to: mpsc::Sender<Asked>) {
        let stored = async {
            let mut queue = self.commands();
            loop {
                let delivered = queue.next().await;
                let envelope = delivered.value.clone();
                let (journal, from) = (self.clone(), From::Stored(Box::new(delivered)));
                if to.send(Asked { envelope, journal, from }).await.is_err() {
                    return;
                }
            }
        };
        tokio::join!(stored, self.hear(&to));
    }

    async fn hear(&self, to: &mpsc::Sender<Asked>) {
        loop {
            match self.client.queue_subscribe(DECIDE, DECIDERS.to_owned()).await {
                Ok(mut questions) => {
                    while let Some(question) = questions.next().await {
                        if !self.pass_on(question, to).await {
                            return;
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "questions are not heard yet"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// False where nobody takes commands any more.
    async fn pass_on(&self, question: Message, to: &mpsc::Sender<Asked>) -> bool {
        let Some(reply) = question.reply else { return true };
        let headers = question.headers.unwrap_or_default();
        let envelope = match decode_command(&headers, &question.payload) {
            Ok(envelope) => envelope,
            Err(error) => {
                let (code, message) = (Code::Malformed, oi_events::chain(&error));
                self.reply(reply, &Outcome::Rejected { code, message }).await;
                return true;
            }
        };
        let asked =
            Asked { envelope, journal: self.clone(), from: From::Direct { reply: reply.clone() } };
        match to.try_send(asked) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.reply(reply, &busy()).await;
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}
