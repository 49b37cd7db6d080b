//! Following the log without end.

use crate::connection::{BoxError, Connection};
use crate::log::ReadError;
use crate::message::{StoredCommit, received};
use crate::tail::Tail;
use async_nats::jetstream::consumer::pull;
use futures::StreamExt;
use oi_events::RecordedCommit;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

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
        }
    }

    /// The next commit. Waits for it, also while the broker is down; returns each commit
    /// exactly once. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`ReadError::Message`] or [`ReadError::Gap`]: this log cannot be followed.
    pub async fn next(&mut self) -> Result<RecordedCommit, ReadError> {
        loop {
            let Some(commit) = self.read.pop_front() else {
                self.receive().await;
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

    /// Opens a reader unless one is open; false if the broker does not serve one yet.
    async fn open(&mut self) -> bool {
        if self.messages.is_some() {
            return true;
        }
        let opened = match self.sequence {
            Some(sequence) => self.connection.ordered(sequence + 1).await,
            None => self.connection.ordered_at(self.last + 1).await,
        };
        match opened {
            Ok((messages, _)) => {
                self.messages = Some(messages);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "log not readable yet");
                tokio::time::sleep(Duration::from_millis(100)).await;
                false
            }
        }
    }

    /// Waits for the next message, or until a reader can be opened.
    async fn receive(&mut self) {
        if !self.open().await {
            return;
        }
        let Some(messages) = self.messages.as_mut() else { return };
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
    }

    async fn reopen(&mut self, error: BoxError) {
        tracing::debug!(%error, "reopening the log");
        self.messages = None;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
