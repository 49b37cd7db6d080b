//! Reading the log in order: to a captured end, or on and on.

use crate::append::{Tail, TailError};
use crate::connect::Journal;
use crate::message::{MessageError, StoredCommit};
use crate::streams::EVENTS;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::context::GetStreamError;
use futures::StreamExt;
use oi_events::RecordedCommit;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::watch;

/// Why the log was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The broker has no such stream, or does not answer.
    #[error("cannot look at the log {EVENTS}: is this oi's broker?")]
    Stream(#[source] GetStreamError),
    /// What stands in the log is not to be seen.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// The broker cannot serve a reader.
    #[error("cannot read the log on from about position {position}")]
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

impl ReadError {
    /// Whether the broker could not say now, and may say later. Otherwise it is the log
    /// that cannot be read.
    pub fn is_passing(&self) -> bool {
        !matches!(self, ReadError::Gap { .. } | ReadError::Message { .. })
    }
}

/// A reader of the positions up to a captured end.
pub struct Replay {
    messages: Option<pull::Ordered>,
    /// Read, and not handed out yet.
    read: VecDeque<StoredCommit>,
    last: u64,
    end: u64,
    gaps: bool,
    /// How many messages the broker still has after the last one read.
    pending: u64,
}

/// A message's commits, and how many messages the broker still has after it.
fn stored(message: async_nats::jetstream::Message) -> Option<(Vec<StoredCommit>, u64)> {
    let info = message.info().ok()?;
    let (sequence, pending) = (info.stream_sequence, info.pending);
    let (message, _) = message.split();
    let (subject, headers) = (message.subject.to_string(), message.headers.unwrap_or_default());
    Some((StoredCommit::of_message(sequence, subject, headers, message.payload), pending))
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
        loop {
            if self.last >= self.end {
                return Ok(None);
            }
            let Some(next) = self.read.pop_front() else {
                // Where the end itself is missing, nothing would ever come.
                if (self.gaps && self.pending == 0) || !self.receive().await? {
                    return Ok(None);
                }
                continue;
            };
            // A message can begin before the first position that is wanted.
            if next.position <= self.last && !self.gaps {
                continue;
            }
            if next.position != self.last + 1 && !self.gaps {
                return Err(ReadError::Gap { after: self.last, found: next.position });
            }
            self.last = next.position;
            return Ok(Some(next));
        }
    }

    /// Takes the next message; false where there are none.
    async fn receive(&mut self) -> Result<bool, ReadError> {
        let Some(messages) = self.messages.as_mut() else { return Ok(false) };
        match messages.next().await {
            Some(Ok(message)) => {
                if let Some((commits, pending)) = stored(message) {
                    self.pending = pending;
                    self.read = commits.into();
                }
                Ok(true)
            }
            Some(Err(source)) => {
                Err(ReadError::Consumer { position: self.last + 1, source: source.into() })
            }
            None => Err(ReadError::Ended { at: self.last, end: self.end }),
        }
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
    /// Read, and not handed out yet.
    read: VecDeque<StoredCommit>,
    connections: watch::Receiver<u64>,
    last: u64,
    /// The last message read; none before the first.
    sequence: Option<u64>,
}

impl Follower {
    /// The next commit. Waits for it, also while the broker is away; nothing is
    /// missed or doubled. Dropping the future loses nothing.
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
                self.journal.remember(Tail { position, sequence });
            }
            return Ok(decoded);
        }
    }

    /// Waits for the next message, or for what stands in its way to go.
    async fn receive(&mut self) {
        if self.messages.is_none() {
            let opened = match self.sequence {
                Some(sequence) => self.journal.ordered(sequence + 1).await,
                None => self.journal.ordered_at(self.last + 1).await,
            };
            match opened {
                Ok((messages, _)) => self.messages = Some(messages),
                Err(error) => {
                    tracing::debug!(%error, "log not readable yet");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return;
                }
            }
        }
        let Some(messages) = self.messages.as_mut() else { return };
        let next = tokio::select! {
            biased;
            next = messages.next() => next,
            // Connected anew: the broker has forgotten this reader.
            Ok(()) = self.connections.changed() => None,
        };
        match next {
            Some(Ok(message)) => {
                let Some((commits, _)) = stored(message) else { return };
                let sequence = commits.first().map(|first| first.sequence);
                if sequence > self.sequence {
                    self.sequence = sequence;
                    self.read = commits.into();
                }
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

impl Journal {
    /// The last position of the log, 0 where it is empty. Where the last messages are
    /// missing, it is where they would end if each held one commit.
    ///
    /// # Errors
    /// Where the broker does not answer.
    pub async fn last_position(&self) -> Result<u64, ReadError> {
        let stream = self.context.get_stream(EVENTS).await.map_err(ReadError::Stream)?;
        let last = stream.cached_info().state.last_sequence;
        if last == 0 {
            return Ok(0);
        }
        let tail = self.tail().await?;
        Ok(tail.position + last.saturating_sub(tail.sequence))
    }

    /// Whether the log ends at `position`, or before it.
    ///
    /// # Errors
    /// Where the broker does not answer.
    pub async fn ends_at(&self, position: u64) -> Result<bool, ReadError> {
        Ok(self.tail().await?.position <= position)
    }

    /// The commit at a position; none where there is none. For a single look: it leaves
    /// nothing on the broker, as a reader does for a while.
    ///
    /// # Errors
    /// Where the broker does not answer, or it cannot be read.
    pub async fn commit_at(&self, position: u64) -> Result<Option<RecordedCommit>, ReadError> {
        let found = self.read_message(self.locate(position).await?).await?;
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
    /// Where the broker does not answer.
    pub async fn replay(&self, from: u64, to: u64) -> Result<Replay, ReadError> {
        let (messages, pending) = match from <= to {
            true => {
                self.ordered_at(from).await.map(|(messages, pending)| (Some(messages), pending))?
            }
            false => (None, 0),
        };
        let (last, read) = (from.saturating_sub(1), VecDeque::new());
        Ok(Replay { messages, read, last, end: to, gaps: false, pending })
    }

    /// Reads from a position on, for ever.
    pub fn follow(&self, from: u64) -> Follower {
        Follower {
            journal: self.clone(),
            messages: None,
            read: VecDeque::new(),
            connections: self.connections.clone(),
            last: from.saturating_sub(1),
            sequence: None,
        }
    }

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

    async fn ordered_at(&self, position: u64) -> Result<(pull::Ordered, u64), ReadError> {
        let sequence = if position <= 1 { 1 } else { self.locate(position).await? };
        self.ordered(sequence).await
    }

    /// A reader from a message on, and how many messages there are for it by now.
    async fn ordered(&self, sequence: u64) -> Result<(pull::Ordered, u64), ReadError> {
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
