//! Reading the log in order: to a captured end, or on and on.

use crate::connect::Journal;
use crate::message::{MessageError, StoredCommit};
use crate::streams::EVENTS;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::context::GetStreamError;
use futures::StreamExt;
use oi_events::RecordedCommit;
use std::time::Duration;
use tokio::sync::watch;

/// Why the log was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The broker has no such stream, or does not answer.
    #[error("cannot look at the log {EVENTS}: is this oi's broker?")]
    Stream(#[source] GetStreamError),
    /// The broker cannot serve a reader.
    #[error("cannot read the log from position {position}")]
    Consumer {
        /// From where.
        position: u64,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A position is not there.
    #[error("the log has a gap: after position {after} comes {found}")]
    Gap {
        /// The last position read.
        after: u64,
        /// The next one that was delivered.
        found: u64,
    },
    /// What stands there is not a commit that this release reads.
    #[error("position {position} of the log cannot be read")]
    Message {
        /// Where.
        position: u64,
        /// What is wrong.
        #[source]
        source: MessageError,
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

/// A reader of the positions up to a captured end.
pub struct Replay {
    messages: Option<pull::Ordered>,
    last: u64,
    end: u64,
    gaps: bool,
    /// How many messages the broker still has after the last one read.
    pending: u64,
}

/// A message as a commit, and how many the broker still has after it.
fn stored(message: async_nats::jetstream::Message) -> Option<(StoredCommit, u64)> {
    let info = message.info().ok()?;
    let (position, pending) = (info.stream_sequence, info.pending);
    let (message, _) = message.split();
    let (subject, headers) = (message.subject.to_string(), message.headers.unwrap_or_default());
    Some((StoredCommit::new(position, subject, headers, message.payload), pending))
}

impl Replay {
    /// Steps over missing positions instead of ending at them: for those who look for
    /// gaps.
    #[must_use]
    pub fn with_gaps(self) -> Replay {
        Replay { gaps: true, ..self }
    }

    /// The next commit as stored; none at the end.
    ///
    /// # Errors
    /// Where a position is missing or the broker fails.
    pub async fn next_stored(&mut self) -> Result<Option<StoredCommit>, ReadError> {
        // Where the end itself is missing, nothing would ever come.
        if self.last >= self.end || (self.gaps && self.pending == 0) {
            return Ok(None);
        }
        let Some(messages) = self.messages.as_mut() else { return Ok(None) };
        let next = loop {
            match messages.next().await {
                Some(Ok(message)) => {
                    if let Some((commit, pending)) = stored(message) {
                        self.pending = pending;
                        break commit;
                    }
                }
                Some(Err(source)) => {
                    return Err(ReadError::Consumer {
                        position: self.last + 1,
                        source: source.into(),
                    });
                }
                None => return Err(ReadError::Ended { at: self.last, end: self.end }),
            }
        };
        if next.position != self.last + 1 && !self.gaps {
            return Err(ReadError::Gap { after: self.last, found: next.position });
        }
        self.last = next.position;
        Ok(Some(next))
    }

    /// The next commit, decoded; none at the end.
    ///
    /// # Errors
    /// As [`next_stored`](Self::next_stored), and where it does not decode.
    pub async fn next(&mut self) -> Result<Option<RecordedCommit>, ReadError> {
        match self.next_stored().await? {
            None => Ok(None),
            Some(s) => {
                let position = s.position;
                s.decode().map(Some).map_err(|source| ReadError::Message { position, source })
            }
        }
    }
}

/// A reader that never ends: what is there first, then each new commit.
pub struct Follower {
    journal: Journal,
    messages: Option<pull::Ordered>,
    connections: watch::Receiver<u64>,
    last: u64,
}

impl Follower {
    /// The next commit. Waits for it, also while the broker is away; nothing is
    /// missed or doubled. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`ReadError::Message`] or [`ReadError::Gap`]: this log cannot be followed.
    pub async fn next(&mut self) -> Result<RecordedCommit, ReadError> {
        loop {
            if self.messages.is_none() {
                match self.journal.ordered(self.last + 1).await {
                    Ok((messages, _)) => self.messages = Some(messages),
                    Err(error) => {
                        tracing::debug!(%error, "log not readable yet");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                }
            }
            let Some(messages) = self.messages.as_mut() else { continue };
            let next = tokio::select! {
                biased;
                next = messages.next() => next,
                // Connected anew: the broker has forgotten this reader.
                Ok(()) = self.connections.changed() => None,
            };
            match next {
                Some(Ok(message)) => {
                    let Some((commit, _)) = stored(message) else { continue };
                    if commit.position <= self.last {
                        continue;
                    }
                    if commit.position != self.last + 1 {
                        return Err(ReadError::Gap { after: self.last, found: commit.position });
                    }
                    let position = commit.position;
                    let decoded = commit
                        .decode()
                        .map_err(|source| ReadError::Message { position, source })?;
                    self.last = position;
                    return Ok(decoded);
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "following the log anew");
                    self.messages = None;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                None => self.messages = None,
            }
        }
    }
}

impl Journal {
    /// The last position of the log, 0 where it is empty.
    ///
    /// # Errors
    /// Where the broker does not answer.
    pub async fn last_position(&self) -> Result<u64, ReadError> {
        let stream = self.context.get_stream(EVENTS).await.map_err(ReadError::Stream)?;
        Ok(stream.cached_info().state.last_sequence)
    }

    /// Reads the positions `from` to `to`, both included.
    ///
    /// # Errors
    /// Where the broker does not answer.
    pub async fn replay(&self, from: u64, to: u64) -> Result<Replay, ReadError> {
        let (messages, pending) = match from <= to {
            true => {
                self.ordered(from).await.map(|(messages, pending)| (Some(messages), pending))?
            }
            false => (None, 0),
        };
        Ok(Replay { messages, last: from.saturating_sub(1), end: to, gaps: false, pending })
    }

    /// Reads from a position on, for ever.
    pub fn follow(&self, from: u64) -> Follower {
        Follower {
            journal: self.clone(),
            messages: None,
            connections: self.connections.clone(),
            last: from.saturating_sub(1),
        }
    }

    /// A reader from a position on, and how many messages there are for it by now.
    async fn ordered(&self, position: u64) -> Result<(pull::Ordered, u64), ReadError> {
        let failed = |source| ReadError::Consumer { position, source };
        let stream = self.context.get_stream_no_info(EVENTS).await.map_err(ReadError::Stream)?;
        let consumer = stream
            .create_consumer(pull::OrderedConfig {
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: position },
                ..pull::OrderedConfig::default()
            })
            .await
            .map_err(|e| failed(e.into()))?;
        let pending = consumer.cached_info().num_pending;
        let messages = consumer.messages().await.map_err(|e| failed(e.into()))?;
        Ok((messages, pending))
    }
}
