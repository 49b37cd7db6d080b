//! Following the log without end.

use crate::connection::{BoxError, Connection};
use crate::log::ReadError;
use crate::message::{StoredCommit, received};
use crate::streams::EVENTS;
use crate::tail::Tail;
use async_nats::datetime::DateTime;
use async_nats::jetstream::consumer::pull;
use futures::StreamExt;
use oi_events::RecordedCommit;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often a log is looked at, second by second, that does not seem to be the one that is known:
/// a broker that begins, or leads since a moment, may not know all of it yet.
pub const CHECKS: u32 = 15;

/// A reader that never ends: first the commits that are there, then each new one.
pub struct Follower {
    connection: Arc<Connection>,
    messages: Option<pull::Ordered>,
    /// Read, and not returned yet.
    read: VecDeque<StoredCommit>,
    reconnects: watch::Receiver<u64>,
    last: u64,
    /// The last message read; none before the first.
    sequence: Option<u64>,
    /// When the log's stream was made; none before it was seen.
    made: Option<DateTime>,
}

impl Follower {
    /// Follows the log after the position `last`.
    pub(crate) fn new(connection: Arc<Connection>, last: u64) -> Follower {
        Follower {
            reconnects: connection.reconnects(),
            connection,
            messages: None,
            read: VecDeque::new(),
            last,
            sequence: None,
            made: None,
        }
    }

    /// The next commit. Waits for it, also while the broker is down; returns each commit
    /// exactly once. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`ReadError::Message`] or [`ReadError::Gap`]: this log cannot be followed.
    /// [`ReadError::Another`] or [`ReadError::Shorter`]: it is not the one that was followed.
    pub async fn next(&mut self) -> Result<RecordedCommit, ReadError> {
        loop {
            let Some(commit) = self.read.pop_front() else {
                self.receive().await?;
                continue;
            };
            if commit.position <= self.last {
                continue;
            }
            if commit.position != self.last + 1 {
                return Err(ReadError::Gap { after: self.last, found: commit.position });
            }
            let (position, sequence) = (commit.position, commit.sequence);
            let decoded =
                commit.decode().map_err(|source| ReadError::Message { position, source })?;
            self.last = position;
            if self.read.is_empty() {
                self.connection.tail.remember(Tail { position, sequence });
            }
            return Ok(decoded);
        }
    }

    /// Whether the log is still the one that was read so far; not known while the broker does
    /// not answer.
    async fn check(&mut self) -> Result<(), ReadError> {
        for tries in 1.. {
            // Known before the broker is asked: others may append meanwhile.
            let Tail { position, sequence: read } = self.connection.tail.get();
            let stream = self.connection.context.get_stream(EVENTS).await;
            let stream = stream.map_err(ReadError::Stream)?;
            let info = stream.cached_info();
            let made = *self.made.get_or_insert(info.created);
            let end = info.state.last_sequence;
            let wrong = if made != info.created {
                let (made, before) = (info.created.to_string(), made.to_string());
                ReadError::Another { position, made, before }
            } else if read > end {
                ReadError::Shorter { position, end, read }
            } else {
                return Ok(());
            };
            if tries == CHECKS {
                return Err(wrong);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Ok(())
    }

    /// Opens a reader unless one is open; false if the broker does not serve one yet.
    async fn open(&mut self) -> Result<bool, ReadError> {
        if self.messages.is_some() {
            return Ok(true);
        }
        match self.check().await {
            Ok(()) => {}
            Err(error) if error.is_passing() => {
                tracing::debug!(%error, "log not readable yet");
                tokio::time::sleep(Duration::from_millis(100)).await;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        let opened = match self.sequence {
            Some(sequence) => self.connection.ordered(sequence + 1).await,
            None => self.connection.ordered_at(self.last + 1).await,
        };
        match opened {
            Ok((messages, _)) => {
                self.messages = Some(messages);
                Ok(true)
            }
            Err(error) => {
                tracing::debug!(%error, "log not readable yet");
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(false)
            }
        }
    }

    /// Waits for the next message, or until a reader can be opened.
    async fn receive(&mut self) -> Result<(), ReadError> {
        if !self.open().await? {
            return Ok(());
        }
        let Some(messages) = self.messages.as_mut() else { return Ok(()) };
        let next = tokio::select! {
            biased;
            next = messages.next() => next,
            // After a reconnect the broker has forgotten this reader.
            Ok(()) = self.reconnects.changed() => None,
        };
        match next {
            Some(Ok(message)) => match received(message) {
                Ok((commits, _)) => {
                    let sequence = commits.first().map(|first| first.sequence);
                    if sequence > self.sequence {
                        self.sequence = sequence;
                        self.read = commits.into();
                    }
                }
                Err(error) => self.reopen(error).await,
            },
            Some(Err(error)) => self.reopen(error.into()).await,
            None => self.messages = None,
        }
        Ok(())
    }

    async fn reopen(&mut self, error: BoxError) {
        tracing::debug!(%error, "reopening the log");
        self.messages = None;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
