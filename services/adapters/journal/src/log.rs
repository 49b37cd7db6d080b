//! Reading the log: one commit, the commits up to a captured end, or all that ever come.

use crate::connection::{BoxError, Connection};
use crate::follower::Follower;
use crate::message::MessageError;
use crate::replay::Replay;
use crate::streams::EVENTS;
use crate::tail::TailError;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::context::GetStreamError;
use oi_events::RecordedCommit;
use std::sync::Arc;

/// What to do about a log that is not the one that is known.
pub const PUT_BACK: &str = "Nothing more is done here. Put back the log as it was, or see docs/broker.md before this is started again";

/// Why the log was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The broker has no such stream, or does not answer.
    #[error("cannot open the log {EVENTS}: is this oi's broker?")]
    Stream(#[source] GetStreamError),
    /// A message of the log cannot be looked at.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// The broker cannot serve a reader.
    #[error("cannot read the log from about position {position}")]
    Consumer {
        /// From where.
        position: u64,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// A position is missing.
    #[error("the log has a gap: after position {after} comes {found}")]
    Gap {
        /// The last position read.
        after: u64,
        /// The next one that was delivered.
        found: u64,
    },
    /// A message is not a commit that this release reads.
    #[error("position {position} of the log cannot be read")]
    Message {
        /// Where.
        position: u64,
        /// What is wrong.
        #[source]
        source: MessageError,
    },
    /// The broker has another log now.
    #[error(
        "the broker's log is not the one that was read up to position {position}: it was made at {made}, and not at {before}. {PUT_BACK}"
    )]
    Another {
        /// The last position read.
        position: u64,
        /// When the log was made that is there now.
        made: String,
        /// When the log was made that was read.
        before: String,
    },
    /// What was read is not in the log any more.
    #[error(
        "the broker's log ends at message {end}, and message {read} was read from it (position {position}): an older one was put back, or the broker lost what it had confirmed. {PUT_BACK}"
    )]
    Shorter {
        /// The last position read.
        position: u64,
        /// The last message that is there.
        end: u64,
        /// The last message that was read.
        read: u64,
    },
    /// The log ended before the captured end.
    #[error("the log ended at position {at}, before {end}")]
    Ended {
        /// The last position read.
        at: u64,
        /// The end that was captured.
        end: u64,
    },
}

impl ReadError {
    /// Whether the broker may answer later. Otherwise the log itself is unreadable.
    pub fn is_passing(&self) -> bool {
        !self.is_another_log() && !matches!(self, ReadError::Gap { .. } | ReadError::Message { .. })
    }

    /// Whether the broker has another log than the one that was read: no restart helps.
    pub fn is_another_log(&self) -> bool {
        matches!(self, ReadError::Another { .. } | ReadError::Shorter { .. })
    }
}

/// Reads the log. Clones share a connection.
#[derive(Clone)]
pub struct Log(Arc<Connection>);

impl Log {
    pub(crate) fn new(connection: Arc<Connection>) -> Log {
        Log(connection)
    }

    /// Whether the connection to the broker is up right now.
    pub fn is_connected(&self) -> bool {
        self.0.is_up()
    }

    /// When the broker made the log.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn created(&self) -> Result<String, ReadError> {
        let stream = self.0.context.get_stream(EVENTS).await.map_err(ReadError::Stream)?;
        Ok(stream.cached_info().created.to_string())
    }

    /// The last position of the log, 0 if it is empty. If the last messages are missing, the
    /// position at which they would end if each held one commit.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn last_position(&self) -> Result<u64, ReadError> {
        let stream = self.0.context.get_stream(EVENTS).await.map_err(ReadError::Stream)?;
        let last = stream.cached_info().state.last_sequence;
        if last == 0 {
            return Ok(0);
        }
        let tail = self.0.tail().await?;
        Ok(tail.position + last.saturating_sub(tail.sequence))
    }

    /// The commit at a position; none if there is none. For a single read: unlike a reader,
    /// it leaves no consumer on the broker.
    ///
    /// # Errors
    /// When the broker does not answer, or the commit cannot be decoded.
    pub async fn commit_at(&self, position: u64) -> Result<Option<RecordedCommit>, ReadError> {
        let found = self.0.read_message(self.0.locate(position).await?).await?;
        match found.into_iter().find(|stored| stored.position == position) {
            None => Ok(None),
            Some(stored) => {
                stored.decode().map(Some).map_err(|source| ReadError::Message { position, source })
            }
        }
    }

    /// Reads the positions `from` to `to`, both included.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn replay(&self, from: u64, to: u64) -> Result<Replay, ReadError> {
        if from > to {
            return Ok(Replay::empty());
        }
        let (messages, pending) = self.0.ordered_at(from).await?;
        Ok(Replay::new(messages, pending, from.saturating_sub(1), to))
    }

    /// Reads from a position on, without end.
    pub fn follow(&self, from: u64) -> Follower {
        Follower::new(self.0.clone(), from.saturating_sub(1))
    }
}

impl Connection {
    /// The sequence of the message that holds a position, or of one before it.
    async fn locate(&self, position: u64) -> Result<u64, ReadError> {
        let tail = self.tail().await?;
        if position > tail.position {
            return Ok(tail.sequence + 1);
        }
        // No message holds less than one commit.
        let (mut low, mut high) = (1, position.min(tail.sequence));
        if tail.position == tail.sequence {
            return Ok(high);
        }
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.read_message(middle).await?.first() {
                Some(first) if first.position <= position => low = middle,
                Some(_) => high = middle - 1,
                // Missing: begin before it.
                None => return Ok(low),
            }
        }
        Ok(low)
    }

    /// A reader from the message of a position on, and how many messages it has by now.
    pub(crate) async fn ordered_at(
        &self,
        position: u64,
    ) -> Result<(pull::Ordered, u64), ReadError> {
        let sequence = if position <= 1 { 1 } else { self.locate(position).await? };
        self.ordered(sequence).await
    }

    /// A reader from a message on, and how many messages it has by now.
    pub(crate) async fn ordered(&self, sequence: u64) -> Result<(pull::Ordered, u64), ReadError> {
        let failed = |source| ReadError::Consumer { position: sequence, source };
        let stream = self.context.get_stream_no_info(EVENTS).await.map_err(ReadError::Stream)?;
        let consumer = stream
            .create_consumer(pull::OrderedConfig {
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: sequence },
                ..pull::OrderedConfig::default()
            })
            .await
            .map_err(|e| failed(e.into()))?;
        let pending = consumer.cached_info().num_pending;
        let messages = consumer.messages().await.map_err(|e| failed(e.into()))?;
        Ok((messages, pending))
    }
}
