//! Asking and waiting for the answer.

use crate::connect::Journal;
use crate::intake::DECIDE;
use crate::message::encode_command;
use crate::queue::EnqueueError;
use async_nats::Request;
use futures::StreamExt;
use oi_events::{CommandEnvelope, CommandId, Outcome};
use std::time::Duration;

/// When an answer that does not come is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not stored.
    #[error("the command was not stored")]
    Submit(#[from] EnqueueError),
    /// No answers can be heard.
    #[error("cannot listen for the answer")]
    Listen(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Stored, but nobody answered.
    #[error(
        "command {id} is stored, but was not decided within {waited:?}: it may still be; ask again with the same id"
    )]
    Timeout {
        /// Which command.
        id: CommandId,
        /// How long was waited.
        waited: Duration,
    },
}

fn subject(id: CommandId) -> String {
    format!("oi.outcomes.{id}")
}

impl Journal {
    /// Tells whoever waits what became of a command.
    ///
    /// # Errors
    /// Where the connection is gone; whoever waits asks again.
    pub async fn answer(&self, id: CommandId, outcome: &Outcome) -> Result<(), RequestError> {
        let listen = |e: Box<dyn std::error::Error + Send + Sync>| RequestError::Listen(e);
        let bytes = oi_events::to_bytes(outcome).map_err(|e| listen(e.into()))?;
        self.client.publish(subject(id), bytes.into()).await.map_err(|e| listen(e.into()))
    }

    /// Asks for a decision and waits for the outcome: directly at first, and where nobody
    /// answers, by storing the command until somebody does.
    ///
    /// # Errors
    /// [`RequestError::Timeout`] where nobody decided it in time.
    pub async fn request(
        &self,
        envelope: &CommandEnvelope,
        timeout: Duration,
    ) -> Result<Outcome, RequestError> {
        let deadline = tokio::time::Instant::now() + timeout;
        match self.ask(envelope, timeout.min(ASK_AGAIN)).await? {
            Some(outcome) => Ok(outcome),
            None => self.request_stored(envelope, timeout, deadline).await,
        }
    }

    /// Asks a decider directly; none where none answers.
    async fn ask(
        &self,
        envelope: &CommandEnvelope,
        timeout: Duration,
    ) -> Result<Option<Outcome>, RequestError> {
        let (_, headers, body) = encode_command(envelope).map_err(EnqueueError::from)?;
        let request = Request::new().headers(headers).payload(body).timeout(Some(timeout));
        match self.client.send_request(DECIDE, request).await {
            Ok(answer) => Ok(oi_events::from_bytes_strict(&answer.payload).ok()),
            Err(error) => {
                tracing::debug!(command = %envelope.id, %error, "nobody decides now: stored");
                Ok(None)
            }
        }
    }

    async fn request_stored(
        &self,
        envelope: &CommandEnvelope,
        timeout: Duration,
        deadline: tokio::time::Instant,
    ) -> Result<Outcome, RequestError> {
        let mut answers = self
            .client
            .subscribe(subject(envelope.id))
            .await
            .map_err(|e| RequestError::Listen(e.into()))?;
        let mut attempt = 0_u32;
        loop {
            // A new message id each time: the first may have been decided already,
            // and its answer lost.
            let message_id = match attempt {
                0 => envelope.id.to_string(),
                n => format!("{}/{n}", envelope.id),
            };
            let submitted = self.submit_as(envelope, &message_id).await;
            attempt += 1;
            let wait = deadline.min(tokio::time::Instant::now() + ASK_AGAIN);
            match tokio::time::timeout_at(wait, answers.next()).await {
                Ok(Some(message)) => {
                    if let Ok(outcome) = oi_events::from_bytes_strict(&message.payload) {
                        return Ok(outcome);
                    }
                }
                Ok(None) | Err(_) if tokio::time::Instant::now() < deadline => {}
                Ok(None) | Err(_) => {
                    submitted?;
                    return Err(RequestError::Timeout { id: envelope.id, waited: timeout });
                }
            }
        }
    }
}
