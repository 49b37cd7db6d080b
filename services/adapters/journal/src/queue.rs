//! Commands and jobs as queues with explicit acknowledgement.

use crate::append::server_code;
use crate::connect::Journal;
use crate::message::{MessageError, decode_stored_command, encode_command};
use crate::streams::{JOBS, SetupError};
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::{self, AckKind, message::PublishMessage};
use futures::StreamExt;
use oi_events::{CommandEnvelope, Job, JobId};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::watch;

/// Why a message was not settled.
#[derive(Debug, thiserror::Error)]
#[error("the broker did not take the acknowledgement; the message comes again")]
pub struct QueueError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Why something was not queued.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// It has no message form.
    #[error("it cannot be sent")]
    Message(#[from] MessageError),
    /// The broker did not store it.
    #[error("the broker did not store it (its log says why: a full disk, for example)")]
    Publish(#[from] PublishError),
}

/// What became of an offered job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It is queued now.
    Queued,
    /// It was queued already.
    AlreadyQueued,
}

/// A message in hand. Dropping it unsettled makes it come again.
pub struct Delivered<T> {
    /// What it says.
    pub value: T,
    /// Which delivery this is, from 1.
    pub attempt: i64,
    message: jetstream::Message,
}

impl<T> Delivered<T> {
    /// Settles it for good, and waits for the broker's confirmation.
    ///
    /// # Errors
    /// Where that does not come.
    pub async fn ack(&self) -> Result<(), QueueError> {
        self.message.double_ack().await.map_err(QueueError)
    }

    /// Gives it back, to come again after a pause.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub async fn nak(&self, pause: Duration) -> Result<(), QueueError> {
        self.message.ack_with(AckKind::Nak(Some(pause))).await.map_err(QueueError)
    }

    /// Says that it is still being worked on.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub async fn progress(&self) -> Result<(), QueueError> {
        self.message.ack_with(AckKind::Progress).await.map_err(QueueError)
    }
}

pub(crate) type Opening<'a> =
    Pin<Box<dyn Future<Output = Result<PullConsumer, SetupError>> + Send + 'a>>;

/// A durable queue that survives restarts of the broker.
pub struct Queue<T> {
    journal: Journal,
    messages: Option<pull::Stream>,
    connections: watch::Receiver<u64>,
    /// So many messages are in hand here before the first of them is looked at.
    ahead: usize,
    open: fn(&Journal) -> Opening<'_>,
    decode: fn(&jetstream::Message) -> Result<T, MessageError>,
}

impl<T> Queue<T> {
    pub(crate) fn new(
        journal: &Journal,
        open: fn(&Journal) -> Opening<'_>,
        decode: fn(&jetstream::Message) -> Result<T, MessageError>,
    ) -> Queue<T> {
        let (journal, connections) = (journal.clone(), journal.connections.clone());
        Queue { journal, messages: None, connections, ahead: 256, open, decode }
    }

    /// Takes fewer messages ahead: where each takes long, those that wait here for longer
    /// than the broker does would be delivered again, and again.
    pub(crate) fn ahead(self, ahead: usize) -> Queue<T> {
        Queue { ahead, ..self }
    }
}

impl<T> Queue<T> {
    /// The next message. Waits for it, also while the broker is away. A message
    /// that cannot be decoded is removed and logged; it does not block the queue.
    pub async fn next(&mut self) -> Delivered<T> {
        loop {
            if self.messages.is_none() {
                match self.try_open().await {
                    Ok(messages) => self.messages = Some(messages),
                    Err(error) => {
                        tracing::debug!(%error, "queue not readable yet");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                }
            }
            let Some(messages) = self.messages.as_mut() else { continue };
            let next = tokio::select! {
                biased;
                next = messages.next() => next,
                // Connected anew: the broker has forgotten this request.
                Ok(()) = self.connections.changed() => None,
            };
            match next {
                Some(Ok(message)) => match (self.decode)(&message) {
                    Ok(value) => {
                        let attempt = message.info().map_or(1, |i| i.delivered);
                        return Delivered { value, attempt, message };
                    }
                    Err(error) => {
                        tracing::error!(subject = %message.subject, error = &error as &dyn std::error::Error, "message removed: it cannot be decoded");
                        let _ = message.ack_with(AckKind::Term).await;
                    }
                },
                Some(Err(error)) => {
                    tracing::debug!(%error, "reading the queue anew");
                    self.messages = None;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                None => self.messages = None,
            }
        }
    }

    async fn try_open(&self) -> Result<pull::Stream, Box<dyn std::error::Error + Send + Sync>> {
        let consumer = (self.open)(&self.journal).await?;
        Ok(consumer
            .stream()
            .max_messages_per_batch(self.ahead)
            .expires(Duration::from_secs(30))
            .heartbeat(Duration::from_secs(3))
            .messages()
            .await?)
    }
}

/// A job that the broker gave up.
#[derive(Debug, Clone)]
pub struct DeadLettered {
    stream_sequence: u64,
}

#[derive(serde::Deserialize)]
struct Advisory {
    stream_seq: u64,
}

fn decode_job(message: &jetstream::Message) -> Result<Job, MessageError> {
    Ok(oi_events::from_bytes_strict(&message.payload)?)
}

impl Journal {
    /// Stores a command durably; decided it is later.
    ///
    /// # Errors
    /// Where the broker did not store it, as far as is known.
    pub async fn submit(&self, envelope: &CommandEnvelope) -> Result<(), EnqueueError> {
        self.submit_as(envelope, &envelope.id.to_string()).await
    }

    pub(crate) async fn submit_as(
        &self,
        envelope: &CommandEnvelope,
        message_id: &str,
    ) -> Result<(), EnqueueError> {
        let (subject, headers, body) = encode_command(envelope)?;
        let message = PublishMessage::build().headers(headers).payload(body).message_id(message_id);
        self.context.send_publish(subject, message).await?.await?;
        Ok(())
    }

    /// The commands to be decided, shared among all deciders.
    pub fn commands(&self) -> Queue<CommandEnvelope> {
        Queue::new(
            self,
            |j| Box::pin(j.command_consumer()),
            |m| {
                let headers = m.headers.clone().unwrap_or_default();
                decode_stored_command(&m.subject, &headers, &m.payload)
            },
        )
    }

    /// Offers a job; it is queued at most once at a time.
    ///
    /// # Errors
    /// Where the broker did not store it.
    pub async fn enqueue(&self, job: &Job) -> Result<Enqueued, EnqueueError> {
        let body = oi_events::to_bytes(job).map_err(MessageError::from)?;
        let message = PublishMessage::build().payload(body.into());
        let published =
            match self.context.send_publish(format!("oi.jobs.{}", job.id), message).await {
                Ok(ack) => ack.await,
                Err(e) => Err(e),
            };
        match published {
            Ok(_) => Ok(Enqueued::Queued),
            // «maximum messages per subject exceeded»
            Err(e) if server_code(&e) == Some(10077) => Ok(Enqueued::AlreadyQueued),
            Err(e) => Err(e.into()),
        }
    }

    /// The jobs to be done, shared among all workers.
    pub fn jobs(&self) -> Queue<Job> {
        Queue::new(self, |j| Box::pin(j.job_consumer()), decode_job)
    }

    /// Jobs that the broker gave up: delivered too often without outcome.
    pub fn dead_lettered(&self) -> Queue<DeadLettered> {
        Queue::new(
            self,
            |j| Box::pin(j.advisory_consumer()),
            |m| {
                let advisory: Advisory = serde_json::from_slice(&m.payload).map_err(|_| {
                    MessageError::Header { name: "advisory", value: m.subject.to_string() }
                })?;
                Ok(DeadLettered { stream_sequence: advisory.stream_seq })
            },
        )
    }

    /// Takes an abandoned job out of the queue, so that it can be queued again.
    ///
    /// # Errors
    /// Where the broker does not answer. None where it is gone already.
    pub async fn remove_dead_lettered(
        &self,
        dead_lettered: &DeadLettered,
    ) -> Result<Option<JobId>, QueueError> {
        let stream =
            self.context.get_stream_no_info(JOBS).await.map_err(|e| QueueError(e.into()))?;
        match stream.get_raw_message(dead_lettered.stream_sequence).await {
            Ok(message) => {
                stream
                    .delete_message(dead_lettered.stream_sequence)
                    .await
                    .map_err(|e| QueueError(e.into()))?;
                Ok(message.subject.strip_prefix("oi.jobs.").map(|id| JobId(id.to_owned())))
            }
            Err(e) => match e.kind() {
                jetstream::stream::RawMessageErrorKind::NoMessageFound => Ok(None),
                _ => Err(QueueError(e.into())),
            },
        }
    }
}
