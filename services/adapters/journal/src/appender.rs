//! Appending commits at an expected position: all of them in one message, or none.
//!
//! Positions count commits, sequences count messages. They are equal until a message holds
//! several commits; from then on a message states the position at which it begins.

use crate::connection::{Connection, is_too_large, server_code};
use crate::message::{Entry, MessageError, Outgoing, StoredCommit, outgoing};
use crate::streams::EVENTS;
use crate::tail::{Tail, TailError};
use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use oi_events::{Commit, Hash, RecordedCommit};
use std::sync::Arc;
use std::time::Duration;

/// How often an append whose fate is unknown is tried.
const TRIES: u32 = 20;

/// The broker's codes for a lost race: wrong last sequence (10071), the same while
/// another write is in flight (10164), and a duplicate in process (10158).
const CONFLICTS: [u64; 3] = [10071, 10164, 10158];

/// Why a commit was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Another writer was first: fold the new commits and decide again.
    #[error("the log has moved on from position {expected}")]
    Conflict {
        /// The position that was expected to be the last.
        expected: u64,
    },
    /// The commit has no message form.
    #[error("the commit cannot be sent")]
    Message(#[from] MessageError),
    /// The end of the log is unknown.
    #[error("the end of the log cannot be read")]
    Tail(#[from] TailError),
    /// The broker takes no message of that size, now or later.
    #[error("the broker takes no message of {size} bytes")]
    TooLarge {
        /// The size of the message, bytes.
        size: usize,
    },
    /// The broker refused the commit.
    #[error("the broker refused the commit")]
    Rejected(#[source] PublishError),
    /// The commit may be stored or not; appending the same commit again tells.
    #[error("the broker did not confirm that the commit is stored")]
    Unknown(#[source] PublishError),
}

/// Appends to the log and looks at its end. Clones share a connection.
#[derive(Clone)]
pub struct Appender(Arc<Connection>);

/// Whether a message that stands in the log ends with a commit of this hash.
fn ends_with(message: &[StoredCommit], hash: Hash) -> bool {
    message.last().is_some_and(|last| last.claimed_hash().is_ok_and(|there| there == hash))
}

impl Appender {
    pub(crate) fn new(connection: Arc<Connection>) -> Appender {
        Appender(connection)
    }

    /// Whether the log ends at `position` or before it. Asks the broker.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn ends_at(&self, position: u64) -> Result<bool, TailError> {
        Ok(self.0.tail().await?.position <= position)
    }

    /// Appends a commit as the successor of `expected_position`: [`append_all`] of one.
    ///
    /// [`append_all`]: Self::append_all
    ///
    /// # Errors
    /// [`AppendError::Conflict`] when another commit stands there.
    pub async fn append(
        &self,
        commit: &Commit,
        expected_position: u64,
    ) -> Result<RecordedCommit, AppendError> {
        let entries = [Entry::new(commit.clone())?];
        self.append_all(&entries, expected_position).await?;
        let [entry] = entries;
        Ok(entry.recorded(expected_position + 1))
    }

    /// Appends commits, each of which names the one before it, as the successors of
    /// `expected_position`. When this returns, they are on the broker's disk at the
    /// positions that follow. They are stored as one message: all or none. If the same
    /// commits stand there already, this succeeds: their acknowledgement was lost.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] when another commit stands there.
    pub async fn append_all(
        &self,
        entries: &[Entry],
        expected_position: u64,
    ) -> Result<(), AppendError> {
        let conflict = || AppendError::Conflict { expected: expected_position };
        let before = self.0.tail_at(expected_position).await?.ok_or_else(conflict)?;
        let sequence = before.sequence + 1;
        let message = outgoing(entries, expected_position + 1, sequence)?;
        self.store(&message, before).await?;
        let position = expected_position + entries.len() as u64;
        self.0.tail.remember(Tail { position, sequence });
        Ok(())
    }

    async fn store(&self, message: &Outgoing, before: Tail) -> Result<(), AppendError> {
        let conflict = || AppendError::Conflict { expected: before.position };
        let sequence = before.sequence + 1;
        let mut tries = 0;
        loop {
            tries += 1;
            let refused = match self.publish(message, before.sequence).await {
                // Replicated streams look for duplicates before the sequence.
                Ok(ack) if ack.sequence != sequence => return Err(conflict()),
                Ok(ack) if !ack.duplicate => return Ok(()),
                Ok(_) => None,
                Err(e) if is_too_large(&e) => {
                    return Err(AppendError::TooLarge { size: message.body.len() });
                }
                Err(e) => match server_code(&e) {
                    Some(code) if CONFLICTS.contains(&code) => Some(e),
                    Some(_) => return Err(AppendError::Rejected(e)),
                    None if tries < TRIES => {
                        tracing::warn!(error = %e, tries, "append not acknowledged, trying again");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                    None => return Err(AppendError::Unknown(e)),
                },
            };
            // A message stands there. Is it this one?
            match self.0.read_message(sequence).await {
                Ok(there) if ends_with(&there, message.hash) => return Ok(()),
                Ok(_) => return Err(conflict()),
                Err(error) if tries < TRIES => {
                    tracing::warn!(%error, tries, "what stands there is not seen, trying again");
                }
                Err(unseen) => {
                    return Err(refused.map_or(AppendError::Tail(unseen), AppendError::Unknown));
                }
            }
        }
    }

    async fn publish(
        &self,
        outgoing: &Outgoing,
        last_sequence: u64,
    ) -> Result<async_nats::jetstream::publish::PublishAck, PublishError> {
        let message = PublishMessage::build()
            .headers(outgoing.headers.clone())
            .payload(outgoing.body.clone())
            .expected_stream(EVENTS)
            .expected_last_sequence(last_sequence);
        self.0.store(outgoing.subject.clone(), message).await
    }
}
