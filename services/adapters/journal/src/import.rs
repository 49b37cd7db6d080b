//! Putting back a log that was kept elsewhere.

use crate::append::server_code;
use crate::connect::Journal;
use crate::message::{Entry, MessageError, StoredCommit, outgoing};
use crate::streams::EVENTS;
use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use futures::future::join_all;

/// Why a log was not put back.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A commit has no message form.
    #[error("position {position} cannot be sent")]
    Message {
        /// Where.
        position: u64,
        /// Why.
        #[source]
        source: MessageError,
    },
    /// Another commit stands there.
    #[error("position {position} of the broker's log holds another commit")]
    Other {
        /// Where.
        position: u64,
    },
    /// The broker did not store it.
    #[error("the broker did not store position {position}; run it again to go on")]
    Publish {
        /// Where.
        position: u64,
        /// Why.
        #[source]
        source: PublishError,
    },
}

impl Journal {
    /// Puts back commits that follow each other, each at its own position, byte for byte,
    /// in the messages in which they were. What stands there already is left as it is.
    /// No message may be given in parts.
    ///
    /// # Errors
    /// [`ImportError::Other`] where something else stands there. Those before are stored
    /// then, and maybe not those after.
    pub async fn import(&self, commits: &[StoredCommit]) -> Result<(), ImportError> {
        let messages: Vec<&[StoredCommit]> =
            commits.chunk_by(|a, b| a.sequence == b.sequence).collect();
        let mut sent = Vec::new();
        for message in &messages {
            let Some(first) = message.first() else { continue };
            let (position, sequence) = (first.position, first.sequence);
            let entries: Result<Vec<Entry>, MessageError> =
                message.iter().map(Entry::again).collect();
            let outgoing = entries
                .and_then(|entries| outgoing(&entries, position, sequence))
                .map_err(|source| ImportError::Message { position, source })?;
            let message = PublishMessage::build()
                .headers(outgoing.headers)
                .payload(outgoing.body)
                .expected_stream(EVENTS)
                .expected_last_sequence(sequence - 1);
            sent.push(self.context.send_publish(outgoing.subject, message).await);
        }
        // All are on their way; the broker takes them in their order.
        let acknowledged = join_all(sent.into_iter().map(async |sent| sent?.await)).await;
        for (message, acknowledged) in messages.iter().zip(acknowledged) {
            let Some(first) = message.first() else { continue };
            match acknowledged {
                Ok(ack) if ack.sequence == first.sequence => {}
                Err(source) if server_code(&source).is_none() => {
                    return Err(ImportError::Publish { position: first.position, source });
                }
                _ => self.compare(first, message).await?,
            }
        }
        Ok(())
    }

    async fn compare(
        &self,
        first: &StoredCommit,
        message: &[StoredCommit],
    ) -> Result<(), ImportError> {
        let standing = self.read_message(first.sequence).await.unwrap_or_default();
        let same = standing.len() == message.len()
            && standing.iter().zip(message).all(|(there, here)| {
                (there.position, &there.body) == (here.position, &here.body)
                    && there.claimed_hash().ok() == here.claimed_hash().ok()
            });
        if same { Ok(()) } else { Err(ImportError::Other { position: first.position }) }
    }
}
