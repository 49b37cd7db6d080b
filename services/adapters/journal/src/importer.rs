//! Restoring a log, with its wrapped keys, from a copy.

use crate::connection::{Connection, server_code};
use crate::key_store::{KeyStore, KeyStoreError};
use crate::message::{Entry, MessageError, StoredCommit, outgoing};
use crate::streams::{EVENTS, SetupError};
use crate::tail::TailError;
use async_nats::jetstream::context::{PublishAckFuture, PublishError};
use async_nats::jetstream::message::PublishMessage;
use futures::future::join_all;
use oi_events::ClusterUid;
use std::sync::Arc;

/// Why a log was not restored.
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
    /// It is not known what stands there.
    #[error("position {position} of the broker's log cannot be looked at")]
    Look {
        /// Where.
        position: u64,
        /// Why.
        #[source]
        source: TailError,
    },
    /// The broker did not store the commit.
    #[error("the broker did not store position {position}; run the import again to continue")]
    Publish {
        /// Where.
        position: u64,
        /// Why.
        #[source]
        source: PublishError,
    },
}

/// Restores a log and its wrapped keys to an empty broker. Clones share a connection.
#[derive(Clone)]
pub struct Importer(Arc<Connection>);

impl Importer {
    pub(crate) fn new(connection: Arc<Connection>) -> Importer {
        Importer(connection)
    }

    /// As [`Journal::ensure_streams`](crate::Journal::ensure_streams).
    ///
    /// # Errors
    /// [`SetupError::Drift`] names each setting that differs.
    pub async fn ensure_streams(&self) -> Result<(), SetupError> {
        self.0.ensure_streams().await
    }

    /// Stores a wrapped key unless its cluster has one.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn import_key(&self, uid: ClusterUid, wrapped: Vec<u8>) -> Result<(), KeyStoreError> {
        KeyStore::new(self.0.clone()).put_if_absent(uid, wrapped).await.map(drop)
    }

    /// Stores commits that follow each other, each at its own position, byte for byte, in
    /// the messages that held them. Leaves alone what stands there already. No message may
    /// be given in parts.
    ///
    /// # Errors
    /// [`ImportError::Other`] when another commit stands there. The commits before it are
    /// stored then; those after it may be stored or not.
    pub async fn import(&self, commits: &[StoredCommit]) -> Result<(), ImportError> {
        let messages: Vec<&[StoredCommit]> =
            commits.chunk_by(|a, b| a.sequence == b.sequence).collect();
        let mut sent = Vec::new();
        for message in &messages {
            if let [first, ..] = message {
                sent.push((first, *message, self.send(first, message).await?));
            }
        }
        // All are in flight; the broker stores them in order.
        let acknowledged = join_all(
            sent.into_iter()
                .map(async |(first, message, sent)| (first, message, async { sent?.await }.await)),
        );
        for (first, message, acknowledged) in acknowledged.await {
            match acknowledged {
                Ok(ack) if ack.sequence == first.sequence => {}
                Ok(_) => self.compare(first, message, None).await?,
                Err(source) if server_code(&source).is_none() => {
                    return Err(ImportError::Publish { position: first.position, source });
                }
                Err(source) => self.compare(first, message, Some(source)).await?,
            }
        }
        Ok(())
    }

    async fn send(
        &self,
        first: &StoredCommit,
        message: &[StoredCommit],
    ) -> Result<Result<PublishAckFuture, PublishError>, ImportError> {
        let (position, sequence) = (first.position, first.sequence);
        let entries: Result<Vec<Entry>, MessageError> = message.iter().map(Entry::again).collect();
        let outgoing = entries
            .and_then(|entries| outgoing(&entries, position, sequence))
            .map_err(|source| ImportError::Message { position, source })?;
        let message = PublishMessage::build()
            .headers(outgoing.headers)
            .payload(outgoing.body)
            .expected_stream(EVENTS)
            .expected_last_sequence(sequence - 1);
        Ok(self.0.context.send_publish(outgoing.subject, message).await)
    }

    /// Compares with what stands there. If nothing does, the broker refused the message for
    /// another reason.
    async fn compare(
        &self,
        first: &StoredCommit,
        message: &[StoredCommit],
        refused: Option<PublishError>,
    ) -> Result<(), ImportError> {
        let position = first.position;
        let standing = self.0.read_message(first.sequence).await;
        let standing = standing.map_err(|source| ImportError::Look { position, source })?;
        if let Some(source) = refused
            && standing.is_empty()
        {
            return Err(ImportError::Publish { position, source });
        }
        let same = standing.len() == message.len() && standing.iter().zip(message).all(is_same);
        if same { Ok(()) } else { Err(ImportError::Other { position }) }
    }
}

/// Whether a commit that stands is the one that is to stand there.
fn is_same((there, here): (&StoredCommit, &StoredCommit)) -> bool {
    let hashes = (there.claimed_hash(), here.claimed_hash());
    (there.position, &there.body) == (here.position, &here.body)
        && matches!(hashes, (Ok(there), Ok(here)) if there == here)
}
