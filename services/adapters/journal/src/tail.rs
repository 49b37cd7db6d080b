//! The end of the log: the position of its last commit and the sequence of its message.

use crate::connection::{BoxError, Connection};
use crate::message::StoredCommit;
use crate::streams::EVENTS;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind};
use std::error::Error;
use std::sync::{Mutex, PoisonError};

/// Why a message of the log could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The broker does not show the log's stream.
    #[error("the broker does not open its log {EVENTS}")]
    Open(#[source] BoxError),
    /// The broker does not show a message.
    #[error("the broker does not return a message of its log {EVENTS}")]
    Read(#[source] BoxError),
}

fn open<E: Error + Send + Sync + 'static>(error: E) -> TailError {
    TailError::Open(error.into())
}

/// The end of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    /// The position of the last commit.
    pub position: u64,
    /// The sequence of its message.
    pub sequence: u64,
}

/// The latest end of the log that this process saw.
#[derive(Debug, Default)]
pub(crate) struct KnownTail(Mutex<Tail>);

impl KnownTail {
    /// Remembers the end of the log, unless a later one is known.
    pub fn remember(&self, tail: Tail) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.position > known.position {
            *known = tail;
        }
    }

    /// The latest end that is known.
    pub fn get(&self) -> Tail {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn commits_of(message: StreamMessage) -> Vec<StoredCommit> {
    let subject = message.subject.to_string();
    StoredCommit::of_message(message.sequence, subject, message.headers, message.payload)
}

impl Connection {
    /// The end of the log if that is at `position`; none if the log ends elsewhere.
    pub async fn tail_at(&self, position: u64) -> Result<Option<Tail>, TailError> {
        let known = self.tail.get();
        if known.position == position {
            return Ok(Some(known));
        }
        if known.position > position {
            return Ok(None);
        }
        let tail = self.tail().await?;
        Ok((tail.position == position).then_some(tail))
    }

    /// The end of the log, read from its last message.
    pub async fn tail(&self) -> Result<Tail, TailError> {
        let stream = self.context.get_stream_no_info(EVENTS).await.map_err(open)?;
        match stream.get_last_raw_message_by_subject(">").await {
            Ok(message) => {
                let sequence = message.sequence;
                let last = commits_of(message).pop();
                let tail = Tail { position: last.map_or(sequence, |last| last.position), sequence };
                self.tail.remember(tail);
                Ok(tail)
            }
            Err(e) if e.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(Tail::default()),
            Err(e) => Err(TailError::Read(e.into())),
        }
    }

    /// The commits of the message with a sequence; none if there is no such message.
    pub async fn read_message(&self, sequence: u64) -> Result<Vec<StoredCommit>, TailError> {
        let stream = self.context.get_stream_no_info(EVENTS).await.map_err(open)?;
        match stream.get_raw_message(sequence).await {
            Ok(message) => Ok(commits_of(message)),
            Err(e) if e.kind() == RawMessageErrorKind::NoMessageFound => Ok(Vec::new()),
            Err(e) => Err(TailError::Read(e.into())),
        }
    }
}
