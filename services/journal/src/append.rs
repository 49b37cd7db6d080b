//! Appending a commit at an expected position.

use crate::connect::Journal;
use crate::message::{MessageError, Outgoing, StoredCommit, encode_commit};
use crate::streams::EVENTS;
use async_nats::jetstream::{self, context::PublishError};
use oi_events::{Commit, RecordedCommit};
use std::error::Error;
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
    /// The broker refused it.
    #[error("the broker refused the commit")]
    Refused(#[source] PublishError),
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

impl Journal {
    /// Appends a commit as the successor of `expected_position`; when this returns
    /// it is on the broker's disk. A commit of the same command that stands at the
    /// next position already counts as this one: its acknowledgement was lost.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] where another commit stands there.
    pub async fn append(
        &self,
        commit: &Commit,
        expected_position: u64,
    ) -> Result<RecordedCommit, AppendError> {
        let outgoing = encode_commit(commit)?;
        let mut tries = 0;
        loop {
            tries += 1;
            match self.publish_commit(&outgoing, expected_position).await {
                Ok(ack) if !ack.duplicate => {
                    return Ok(RecordedCommit {
                        position: ack.sequence,
                        commit: commit.clone(),
                        hash: outgoing.hash,
                    });
                }
                // Replicated streams look for duplicates before the sequence.
                Ok(ack) => match self.read_one(ack.sequence).await {
                    Ok(Some(stored)) => return Ok(stored.decode()?),
                    _ => return Err(AppendError::Conflict { expected: expected_position }),
                },
                Err(e) => match server_code(&e) {
                    Some(code) if CONFLICTS.contains(&code) => {
                        let id = commit.header.command_id.to_string();
                        return match self.read_one(expected_position + 1).await {
                            Ok(Some(s)) if s.message_id() == Some(&id) => Ok(s.decode()?),
                            Ok(_) => Err(AppendError::Conflict { expected: expected_position }),
                            Err(()) if tries < TRIES => continue,
                            Err(()) => Err(AppendError::Unknown(e)),
                        };
                    }
                    Some(_) => return Err(AppendError::Refused(e)),
                    None if tries < TRIES => {
                        tracing::warn!(error = %e, tries, "append not acknowledged, asking again");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    None => return Err(AppendError::Unknown(e)),
                },
            }
        }
    }

    pub(crate) async fn publish_commit(
        &self,
        outgoing: &Outgoing,
        expected_position: u64,
    ) -> Result<jetstream::publish::PublishAck, PublishError> {
        let message = jetstream::message::PublishMessage::build()
            .headers(outgoing.headers.clone())
            .payload(outgoing.body.clone())
            .expected_stream(EVENTS)
            .expected_last_sequence(expected_position);
        self.context.send_publish(outgoing.subject.clone(), message).await?.await
    }

    /// The commit at a position, none where there is none, `Err` where the broker
    /// does not answer.
    pub(crate) async fn read_one(&self, position: u64) -> Result<Option<StoredCommit>, ()> {
        let stream = self.context.get_stream_no_info(EVENTS).await.map_err(drop)?;
        match stream.get_raw_message(position).await {
            Ok(m) => {
                Ok(Some(StoredCommit::new(position, m.subject.to_string(), m.headers, m.payload)))
            }
            Err(e) => match e.kind() {
                async_nats::jetstream::stream::RawMessageErrorKind::NoMessageFound => Ok(None),
                _ => Err(()),
            },
        }
    }
}
