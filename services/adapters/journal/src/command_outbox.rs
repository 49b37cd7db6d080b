//! Storing commands.

use crate::connection::Connection;
use crate::message::{MessageError, encode_command};
use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use oi_events::CommandEnvelope;
use std::sync::Arc;

/// Why a command was not stored.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The command has no message form.
    #[error("the command cannot be sent")]
    Message(#[from] MessageError),
    /// The broker did not store the command.
    #[error("the broker did not store the command (its log says why: a full disk, for example)")]
    Publish(#[from] PublishError),
}

/// Stores commands without waiting for their decision. Clones share a connection.
#[derive(Clone)]
pub struct CommandOutbox(Arc<Connection>);

impl CommandOutbox {
    pub(crate) fn new(connection: Arc<Connection>) -> CommandOutbox {
        CommandOutbox(connection)
    }

    /// Stores a command durably, for a decider to decide it later.
    ///
    /// # Errors
    /// When the broker did not confirm that the command is stored.
    pub async fn submit(&self, envelope: &CommandEnvelope) -> Result<(), SubmitError> {
        self.submit_as(envelope, &envelope.id.to_string()).await
    }

    /// As [`submit`](Self::submit). The broker drops a message whose id it saw lately.
    pub(crate) async fn submit_as(
        &self,
        envelope: &CommandEnvelope,
        message_id: &str,
    ) -> Result<(), SubmitError> {
        let (subject, headers, body) = encode_command(envelope)?;
        let message = PublishMessage::build().headers(headers).payload(body).message_id(message_id);
        self.0.store(subject, message).await?;
        Ok(())
    }
}
