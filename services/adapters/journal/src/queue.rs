//! Queues with explicit acknowledgement.

use crate::connection::{BoxError, Connection};
use crate::message::MessageError;
use crate::streams::Consumer;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::{self, AckKind};
use futures::StreamExt;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Why a message was not settled.
#[derive(Debug, thiserror::Error)]
#[error("the broker did not accept the acknowledgement; the message is delivered again")]
pub struct QueueError(#[source] BoxError);

/// A delivered message. Dropped unsettled, it is delivered again.
pub struct Delivered<T> {
    /// Its content.
    pub value: T,
    /// Which delivery this is, from 1.
    pub attempt: i64,
    /// The size of its payload.
    pub bytes: usize,
    message: jetstream::Message,
}

impl<T> Delivered<T> {
    /// Settles it for good, and waits for the broker's confirmation.
    ///
    /// # Errors
    /// When the confirmation does not arrive.
    pub async fn ack(&self) -> Result<(), QueueError> {
        self.message.double_ack().await.map_err(QueueError)
    }

    /// Gives it back, to be delivered again after a pause.
    ///
    /// # Errors
    /// When the connection is down.
    pub async fn nak(&self, pause: Duration) -> Result<(), QueueError> {
        self.message.ack_with(AckKind::Nak(Some(pause))).await.map_err(QueueError)
    }

    /// Reports that work on it continues.
    ///
    /// # Errors
    /// When the connection is down.
    pub async fn progress(&self) -> Result<(), QueueError> {
        self.message.ack_with(AckKind::Progress).await.map_err(QueueError)
    }
}

/// Which delivery a message is.
fn attempt(message: &jetstream::Message) -> i64 {
    match message.info() {
        Ok(info) => info.delivered,
        Err(error) => {
            tracing::warn!(%error, "a message does not say how often it was delivered");
            1
        }
    }
}

type Decode<T> = fn(&jetstream::Message) -> Result<T, MessageError>;

/// A durable queue that survives restarts of the broker.
pub struct Queue<T> {
    connection: Arc<Connection>,
    consumer: &'static Consumer,
    decode: Decode<T>,
    messages: Option<pull::Stream>,
    reconnects: watch::Receiver<u64>,
    /// How many messages are fetched before the first of them is returned.
    ahead: usize,
}

impl<T> Queue<T> {
    pub(crate) fn new(
        connection: &Arc<Connection>,
        consumer: &'static Consumer,
        decode: Decode<T>,
    ) -> Queue<T> {
        Queue {
            connection: connection.clone(),
            consumer,
            decode,
            messages: None,
            reconnects: connection.reconnects(),
            ahead: 256,
        }
    }

    /// Fetches fewer messages ahead. If each takes long, those that wait here for longer than
    /// the broker does would be delivered again and again.
    pub(crate) fn ahead(self, ahead: usize) -> Queue<T> {
        Queue { ahead, ..self }
    }

    /// The next message. Waits for it, also while the broker is down. A message that cannot
    /// be decoded is removed and logged; it does not block the queue.
    pub async fn next(&mut self) -> Delivered<T> {
        loop {
            let Some(message) = self.receive().await else { continue };
            match (self.decode)(&message) {
                Ok(value) => {
                    let (attempt, bytes) = (attempt(&message), message.payload.len());
                    return Delivered { value, attempt, bytes, message };
                }
                Err(error) => {
                    tracing::error!(
                        subject = %message.subject,
                        error = &error as &dyn Error,
                        "message removed: it cannot be decoded"
                    );
                    if let Err(error) = message.ack_with(AckKind::Term).await {
                        tracing::debug!(%error, "the message comes again");
                    }
                }
            }
        }
    }

    /// The next message; none if the queue must be opened again.
    async fn receive(&mut self) -> Option<jetstream::Message> {
        if self.messages.is_none() {
            match self.open().await {
                Ok(messages) => self.messages = Some(messages),
                Err(error) => {
                    tracing::debug!(%error, "queue not readable yet");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return None;
                }
            }
        }
        let messages = self.messages.as_mut()?;
        let next = tokio::select! {
            biased;
            next = messages.next() => next,
            // After a reconnect the broker has forgotten this request.
            Ok(()) = self.reconnects.changed() => None,
        };
        match next {
            Some(Ok(message)) => return Some(message),
            Some(Err(error)) => {
                tracing::debug!(%error, "reopening the queue");
                self.messages = None;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            None => self.messages = None,
        }
        None
    }

    async fn open(&self) -> Result<pull::Stream, BoxError> {
        let consumer = self.connection.consumer(self.consumer).await?;
        Ok(consumer
            .stream()
            .max_messages_per_batch(self.ahead)
            .expires(Duration::from_secs(30))
            .heartbeat(Duration::from_secs(3))
            .messages()
            .await?)
    }
}
