//! Putting back a log that was kept elsewhere.

use crate::append::server_code;
use crate::connect::Journal;
use crate::message::{MessageError, StoredCommit};
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
    /// Puts back commits that follow each other, each at its own position, byte for byte.
    /// What stands there already is left as it is.
    ///
    /// # Errors
    /// [`ImportError::Other`] where something else stands there. Those before are stored
    /// then, and maybe not those after.
    pub async fn import(&self, commits: &[StoredCommit]) -> Result<(), ImportError> {
        let mut sent = Vec::new();
        for stored in commits {
            let position = stored.position;
            let outgoing =
                stored.outgoing().map_err(|source| ImportError::Message { position, source })?;
            let message = PublishMessage::build()
                .headers(outgoing.headers)
                .payload(outgoing.body)
                .expected_stream(EVENTS)
                .expected_last_sequence(position - 1);
            sent.push(self.context.send_publish(outgoing.subject, message).await);
        }
        // All are on their way; the broker takes them in their order.
        let acknowledged = join_all(sent.into_iter().map(async |sent| sent?.await)).await;
        for (stored, acknowledged) in commits.iter().zip(acknowledged) {
            let position = stored.position;
            match acknowledged {
                Ok(ack) if ack.sequence == position => {}
                Err(source) if server_code(&source).is_none() => {
                    return Err(ImportError::Publish { position, source });
                }
                _ => self.compare(stored).await?,
            }
        }
        Ok(())
    }

    async fn compare(&self, stored: &StoredCommit) -> Result<(), ImportError> {
        let position = stored.position;
        let standing = self.read_one(position).await.ok().flatten();
        let same = standing.is_some_and(|s| {
            s.body == stored.body && s.claimed_hash().ok() == stored.claimed_hash().ok()
        });
        if same { Ok(()) } else { Err(ImportError::Other { position }) }
    }
}
