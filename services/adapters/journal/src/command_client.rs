//! Asking for a decision, and waiting for its outcome.

use crate::command_outbox::{CommandOutbox, SubmitError};
use crate::connection::{BoxError, Connection};
use crate::message::encode_command;
use crate::subjects;
use async_nats::Request;
use futures::StreamExt;
use oi_events::{CommandEnvelope, CommandId, Outcome};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait for an answer before asking again.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The command was not stored.
    #[error("the command was not stored")]
    Submit(#[from] SubmitError),
    /// Answers cannot be received.
    #[error("cannot listen for the answer")]
    Listen(#[source] BoxError),
    /// The command is stored, but no decider answered.
    #[error(
        "command {id} is stored, but was not decided within {waited:?}: it may still be; ask again with the same id"
    )]
    Timeout {
        /// The command.
        id: CommandId,
        /// How long the request waited.
        waited: Duration,
    },
}

/// An answer; none if it is one of another release, or nobody's: the command is asked for again.
fn read(id: CommandId, answer: &[u8]) -> Option<Outcome> {
    match oi_events::from_bytes_strict(answer) {
        Ok(outcome) => Some(outcome),
        Err(error) => {
            let error = &error as &dyn Error;
            tracing::warn!(command = %id, error, "an answer cannot be read");
            None
        }
    }
}

/// Asks for decisions. Clones share a connection.
#[derive(Clone)]
pub struct CommandClient {
    connection: Arc<Connection>,
    outbox: CommandOutbox,
}

impl CommandClient {
    pub(crate) fn new(connection: Arc<Connection>) -> CommandClient {
        CommandClient { outbox: CommandOutbox::new(connection.clone()), connection }
    }

    /// Asks for a decision and waits for the outcome. Asks a decider directly at first; if
    /// none answers, stores the command until one does.
    ///
    /// # Errors
    /// [`RequestError::Timeout`] when no decider decided it in time.
    pub async fn request(
        &self,
        envelope: &CommandEnvelope,
        timeout: Duration,
    ) -> Result<Outcome, RequestError> {
        let deadline = Instant::now() + timeout;
        match self.ask(envelope, timeout.min(ASK_AGAIN)).await? {
            Some(outcome) => Ok(outcome),
            None => self.request_stored(envelope, timeout, deadline).await,
        }
    }

    /// Asks a decider directly; none if none answers.
    async fn ask(
        &self,
        envelope: &CommandEnvelope,
        timeout: Duration,
    ) -> Result<Option<Outcome>, RequestError> {
        let (_, headers, body) = encode_command(envelope).map_err(SubmitError::from)?;
        let request = Request::new().headers(headers).payload(body).timeout(Some(timeout));
        match self.connection.client.send_request(subjects::DECIDE, request).await {
            Ok(answer) => Ok(read(envelope.id, &answer.payload)),
            Err(error) => {
                tracing::debug!(command = %envelope.id, %error, "no decider answers: storing");
                Ok(None)
            }
        }
    }

    async fn request_stored(
        &self,
        envelope: &CommandEnvelope,
        timeout: Duration,
        deadline: Instant,
    ) -> Result<Outcome, RequestError> {
        let answers = self.connection.client.subscribe(subjects::outcome(envelope.id)).await;
        let mut answers = answers.map_err(|e| RequestError::Listen(e.into()))?;
        let mut attempt = 0_u32;
        loop {
            // A new message id each time: the first may have been decided already, and its
            // answer lost.
            let message_id = match attempt {
                0 => envelope.id.to_string(),
                n => format!("{}/{n}", envelope.id),
            };
            let submitted = self.outbox.submit_as(envelope, &message_id).await;
            attempt += 1;
            let wait = deadline.min(Instant::now() + ASK_AGAIN);
            match tokio::time::timeout_at(wait, answers.next()).await {
                Ok(Some(message)) => {
                    if let Some(outcome) = read(envelope.id, &message.payload) {
                        return Ok(outcome);
                    }
                }
                Ok(None) | Err(_) if Instant::now() < deadline => {}
                Ok(None) | Err(_) => {
                    submitted?;
                    return Err(RequestError::Timeout { id: envelope.id, waited: timeout });
                }
            }
        }
    }
}
