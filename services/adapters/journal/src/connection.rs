//! What all handles share: the connection, its settings, and where the log ends.

use crate::connect::JournalConfig;
use crate::tail::KnownTail;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, publish::PublishAck};
use std::error::Error;
use tokio::sync::watch;

/// A step that failed in the client library, whose errors have many types.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Another message stands on this subject: «maximum messages per subject exceeded».
const SUBJECT_TAKEN: u64 = 10077;

/// The stream takes no message of that size: «message size exceeds maximum allowed».
const TOO_LARGE: u64 = 10054;

pub(crate) struct Connection {
    pub client: async_nats::Client,
    pub context: jetstream::Context,
    pub config: JournalConfig,
    /// Counts connections: readers reopen after each, without waiting for a missed
    /// heartbeat.
    pub connections: watch::Receiver<u64>,
    /// The end of the log as far as this process knows it.
    pub tail: KnownTail,
}

impl Connection {
    /// Whether the connection is up right now.
    pub fn is_up(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Tells of each reconnect from now on.
    pub fn reconnects(&self) -> watch::Receiver<u64> {
        let mut connections = self.connections.clone();
        connections.mark_unchanged();
        connections
    }

    /// Publishes a message and waits until it is stored.
    pub async fn store(
        &self,
        subject: impl Into<String>,
        message: PublishMessage,
    ) -> Result<PublishAck, PublishError> {
        self.context.send_publish(subject.into(), message).await?.await
    }
}

/// The broker's own code for a refusal; none where it did not answer.
pub(crate) fn server_code(error: &PublishError) -> Option<u64> {
    let mut source = error.source();
    while let Some(e) = source {
        if let Some(e) = e.downcast_ref::<jetstream::Error>() {
            return Some(e.error_code().0);
        }
        source = e.source();
    }
    None
}

/// Whether the broker refused a message because its subject holds one already.
pub(crate) fn is_subject_taken(error: &PublishError) -> bool {
    server_code(error) == Some(SUBJECT_TAKEN)
}

/// Whether the broker, or the client in its name, refused a message because of its size.
pub(crate) fn is_too_large(error: &PublishError) -> bool {
    error.kind() == PublishErrorKind::MaxPayloadExceeded || server_code(error) == Some(TOO_LARGE)
}
