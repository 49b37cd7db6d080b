//! Appending commits at an expected position: all of them in one message, or none.
//!
//! Positions count commits, sequences count messages. They are the same until a message
//! holds several commits; from then on a message says at which position it begins.

use crate::connect::Journal;
use crate::message::{Entry, MessageError, Outgoing, StoredCommit, outgoing};
use crate::streams::EVENTS;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind};
use async_nats::jetstream::{self, context::PublishError};
use oi_events::{Commit, RecordedCommit};
use std::error::Error;
use std::sync::PoisonError;
use std::time::Duration;

/// How often an append whose fate is unknown is tried.
const TRIES: u32 = 20;

/// Why a commit was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else was first: fold what is new, and decide again.
    #[error("the log has moved on from position {expected}")]
    Conflict {
        /// The position that was expected to be the last.
        expected: u64,
    },
    /// The commit has no message form.
    #[error("the commit cannot be sent")]
    Message(#[from] MessageError),
    /// Where the log ends is not to be seen.
    #[error("the end of the log is not to be seen")]
    Tail(#[from] TailError),
    /// The broker refused it.
    #[error("the broker refused the commit")]
    Rejected(#[source] PublishError),
    /// It may be stored or not; asking again with the same commit tells.
    #[error("the broker did not say whether the commit is stored")]
    Unknown(#[source] PublishError),
}

/// The broker's words for a lost race: wrong last sequence (10071), the same while
/// another write is in flight (10164), and a duplicate in process (10158).
const CONFLICTS: [u64; 3] = [10071, 10164, 10158];

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

/// The broker does not tell what stands in the log.
#[derive(Debug, thiserror::Error)]
#[error("the broker does not tell what stands in its log")]
pub struct TailError(#[source] Box<dyn Error + Send + Sync>);

fn unseen<E: Error + Send + Sync + 'static>(error: E) -> TailError {
    TailError(Box::new(error))
}

/// The end of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The position of the last commit.
    pub position: u64,
    /// The sequence of its message.
    pub sequence: u64,
}

fn commits_of(message: StreamMessage) -> Vec<StoredCommit> {
    let subject = message.subject.to_string();
    StoredCommit::of_message(message.sequence, subject, message.headers, message.payload)
}

impl Journal {
    /// Appends a commit as the successor of `expected_position`: [`append_all`] of one.
    ///
    /// [`append_all`]: Self::append_all
    ///
    /// # Errors
    /// [`AppendError::Conflict`] where another commit stands there.
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
    /// `expected_position`; when this returns they are on the broker's disk, at the
    /// positions that follow. They are stored as one message: all or none. The same ones
    /// that stand there already count as these: their acknowledgement was lost.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] where another commit stands there.
    pub async fn append_all(
        &self,
        entries: &[Entry],
        expected_position: u64,
    ) -> Result<(), AppendError> {
        let conflict = || AppendError::Conflict { expected: expected_position };
        let before = self.tail_at(expected_position).await?.ok_or_else(conflict)?;
        let sequence = before.sequence + 1;
        let message = outgoing(entries, expected_position + 1, sequence)?;
        let end = Tail { position: expected_position + entries.len() as u64, sequence };
        let mut tries = 0;
        loop {
            tries += 1;
            let refused = match self.publish_commit(&message, before.sequence).await {
                // Replicated streams look for duplicates before the sequence.
                Ok(ack) if ack.sequence != sequence => return Err(conflict()),
                Ok(ack) if !ack.duplicate => {
                    self.remember(end);
                    return Ok(());
                }
                Ok(_) => None,
                Err(e) => match server_code(&e) {
                    Some(code) if CONFLICTS.contains(&code) => Some(e),
                    Some(_) => return Err(AppendError::Rejected(e)),
                    None if tries < TRIES => {
                        tracing::warn!(error = %e, tries, "append not acknowledged, asking again");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                    None => return Err(AppendError::Unknown(e)),
                },
            };
            // Something stands there. Is it this?
            match self.read_message(sequence).await {
                Ok(there) => {
                    let hash = there.last().and_then(|last| last.claimed_hash().ok());
                    if hash != Some(message.hash) {
                        return Err(conflict());
                    }
                    self.remember(end);
                    return Ok(());
                }
                Err(_) if tries < TRIES => {}
                Err(unseen) => {
                    return Err(refused.map_or(AppendError::Tail(unseen), AppendError::Unknown));
                }
            }
        }
    }

    async fn publish_commit(
        &self,
        outgoing: &Outgoing,
        last_sequence: u64,
    ) -> Result<jetstream::publish::PublishAck, PublishError> {
        let message = jetstream::message::PublishMessage::build()
            .headers(outgoing.headers.clone())
            .payload(outgoing.body.clone())
            .expected_stream(EVENTS)
            .expected_last_sequence(last_sequence);
        self.context.send_publish(outgoing.subject.clone(), message).await?.await
    }

    /// Keeps the end of the log in mind. Only what is newer counts.
    pub(crate) fn remember(&self, tail: Tail) {
        let mut known = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.position > known.position {
            *known = tail;
        }
    }

    /// The end of the log if that is at `position`; none where the log has moved on.
    async fn tail_at(&self, position: u64) -> Result<Option<Tail>, TailError> {
        let known = *self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        if known.position == position {
            return Ok(Some(known));
        }
        if known.position > position {
            return Ok(None);
        }
        let tail = self.tail().await?;
        Ok((tail.position == position).then_some(tail))
    }

    /// The end of the log, by its last message.
    pub(crate) async fn tail(&self) -> Result<Tail, TailError> {
        let stream = self.context.get_stream_no_info(EVENTS).await.map_err(unseen)?;
        match stream.get_last_raw_message_by_subject(">").await {
            Ok(message) => {
                let sequence = message.sequence;
                let last = commits_of(message).pop();
                let tail = Tail { position: last.map_or(sequence, |last| last.position), sequence };
                self.remember(tail);
                Ok(tail)
            }
            Err(e) if e.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(Tail::default()),
            Err(e) => Err(unseen(e)),
        }
    }

    /// The commits of the message with a sequence, none where there is none.
    pub(crate) async fn read_message(&self, sequence: u64) -> Result<Vec<StoredCommit>, TailError> {
        let stream = self.context.get_stream_no_info(EVENTS).await.map_err(unseen)?;
        match stream.get_raw_message(sequence).await {
            Ok(message) => Ok(commits_of(message)),
            Err(e) if e.kind() == RawMessageErrorKind::NoMessageFound => Ok(Vec::new()),
            Err(e) => Err(unseen(e)),
        }
    }
}
