//! Reading the log to a captured end.

use crate::log::ReadError;
use crate::message::{StoredCommit, received};
use async_nats::jetstream::consumer::pull;
use futures::StreamExt;
use oi_events::RecordedCommit;
use std::collections::VecDeque;

/// A reader of the positions up to a captured end.
pub struct Replay {
    messages: Option<pull::Ordered>,
    /// Read, and not returned yet.
    read: VecDeque<StoredCommit>,
    last: u64,
    end: u64,
    gaps: bool,
    /// How many messages the broker still has after the last one read.
    pending: u64,
}

impl Replay {
    pub(crate) fn new(messages: pull::Ordered, pending: u64, last: u64, end: u64) -> Replay {
        Replay { messages: Some(messages), pending, last, end, ..Replay::empty() }
    }

    /// A reader of no position.
    pub(crate) fn empty() -> Replay {
        Replay { messages: None, read: VecDeque::new(), last: 0, end: 0, gaps: false, pending: 0 }
    }

    /// Steps over missing positions instead of failing at them: for callers that look for
    /// gaps.
    #[must_use]
    pub fn with_gaps(self) -> Replay {
        Replay { gaps: true, ..self }
    }

    /// The next commit as stored; none at the end.
    ///
    /// # Errors
    /// When a position is missing or the broker fails.
    pub async fn next_stored(&mut self) -> Result<Option<StoredCommit>, ReadError> {
        loop {
            if self.last >= self.end {
                return Ok(None);
            }
            let Some(next) = self.read.pop_front() else {
                // If the end itself is missing, no message would ever come.
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

    /// Takes the next message; false if there is none.
    async fn receive(&mut self) -> Result<bool, ReadError> {
        let Some(messages) = self.messages.as_mut() else { return Ok(false) };
        let failed = |source| ReadError::Consumer { position: self.last + 1, source };
        match messages.next().await {
            Some(Ok(message)) => {
                let (commits, pending) = received(message).map_err(failed)?;
                self.pending = pending;
                self.read = commits.into();
                Ok(true)
            }
            Some(Err(source)) => Err(failed(source.into())),
            None => Err(ReadError::Ended { at: self.last, end: self.end }),
        }
    }

    /// The next commit, decoded; none at the end.
    ///
    /// # Errors
    /// As [`next_stored`](Self::next_stored), and when the commit cannot be decoded.
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
