//! Commits as they are stored.

use super::MessageError;
use super::header::{
    ACTOR, COMMAND_ID, CORRELATION, FORMAT_HEADER, HASH, KINDS, POSITION, PREVIOUS, TIME, parse,
    text,
};
use crate::connection::BoxError;
use async_nats::HeaderMap;
use async_nats::header::HeaderValue;
use bytes::Bytes;
use oi_events::{BATCH_FORMAT, Commit, CommitError, CommitHeader, FORMAT, Hash, RecordedCommit};
use std::num::NonZeroU64;

/// The fields that accompany a commit's body.
#[derive(Debug, Clone)]
enum Beside {
    /// A message's headers, not parsed yet.
    Headers(HeaderMap),
    /// The fields as an archive keeps them.
    Fields { header: CommitHeader, hash: Hash },
}

/// The position that a message states for its first commit, or its sequence if it states none.
fn read_position(headers: &HeaderMap, sequence: u64) -> Result<u64, MessageError> {
    match headers.get(POSITION) {
        None => Ok(sequence),
        Some(_) => parse::<NonZeroU64>(headers, POSITION).map(u64::from),
    }
}

fn read_header(headers: &HeaderMap, body: &Bytes) -> Result<CommitHeader, MessageError> {
    let position = read_position(headers, 1)?;
    let format: u16 = parse(headers, FORMAT_HEADER)?;
    if format == BATCH_FORMAT {
        // A batch is split before its headers are read, unless it cannot be split.
        split(position, 1, headers, body)?;
        return Err(MessageError::Empty);
    }
    if format != FORMAT {
        return Err(CommitError::Format(format).into());
    }
    Ok(CommitHeader {
        command_id: parse(headers, COMMAND_ID)?,
        correlation: parse(headers, CORRELATION)?,
        actor: text(headers, ACTOR)?.to_owned(),
        time_ms: parse(headers, TIME)?,
        previous: parse(headers, PREVIOUS)?,
    })
}

/// A commit as stored: only its place is decoded.
#[derive(Debug, Clone)]
pub struct StoredCommit {
    /// Its place in the log, from 1, without gaps.
    pub position: u64,
    /// The stream sequence of its message. Several commits may share one.
    pub sequence: u64,
    /// The subject.
    pub subject: String,
    /// The body's bytes.
    pub body: Bytes,
    beside: Beside,
}

impl StoredCommit {
    /// The commits of a message, in order. A message that cannot be split is a single commit
    /// whose header cannot be read.
    pub(crate) fn of_message(
        sequence: u64,
        subject: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Vec<StoredCommit> {
        let is_batch = |format: u16| format == BATCH_FORMAT;
        let (position, batched) = match read_position(&headers, sequence) {
            Ok(position) => (position, parse(&headers, FORMAT_HEADER).is_ok_and(is_batch)),
            // Reading the header says so.
            Err(_) => (sequence, false),
        };
        if batched && let Ok(batch) = split(position, sequence, &headers, &body) {
            return batch;
        }
        let beside = Beside::Headers(headers);
        vec![StoredCommit { position, sequence, subject, body, beside }]
    }

    /// A commit that was kept outside of a broker, with the hash that its writer put beside
    /// it.
    pub fn kept(
        position: u64,
        subject: String,
        header: CommitHeader,
        hash: Hash,
        body: Bytes,
    ) -> Self {
        let beside = Beside::Fields { header, hash };
        StoredCommit { position, sequence: position, subject, body, beside }
    }

    /// The same, in the message with this stream sequence.
    #[must_use]
    pub fn within(self, sequence: u64) -> Self {
        StoredCommit { sequence, ..self }
    }

    /// The header fields.
    ///
    /// # Errors
    /// When one is absent or does not parse.
    pub fn header(&self) -> Result<CommitHeader, MessageError> {
        match &self.beside {
            Beside::Headers(headers) => read_header(headers, &self.body),
            Beside::Fields { header, .. } => Ok(header.clone()),
        }
    }

    /// The hash that the writer put beside the commit.
    ///
    /// # Errors
    /// When it is absent or does not parse.
    pub fn claimed_hash(&self) -> Result<Hash, MessageError> {
        match &self.beside {
            Beside::Headers(headers) => parse(headers, HASH),
            Beside::Fields { hash, .. } => Ok(*hash),
        }
    }

    /// The hash over what is stored.
    ///
    /// # Errors
    /// As [`header`](Self::header).
    pub fn hash(&self) -> Result<Hash, MessageError> {
        Ok(self.header()?.hash(&self.subject, &self.body))
    }

    /// The kinds that the writer put beside the commit, the command's first, separated by
    /// commas; none if the commit was kept without them.
    pub fn claimed_kinds(&self) -> Option<&str> {
        match &self.beside {
            Beside::Headers(headers) => {
                Some(headers.get(KINDS).map(HeaderValue::as_str).unwrap_or_default())
            }
            Beside::Fields { .. } => None,
        }
    }

    /// Decodes the commit, and hashes what is stored.
    ///
    /// # Errors
    /// When it is not a commit that this release reads.
    pub fn decode(self) -> Result<RecordedCommit, MessageError> {
        let header = match self.beside {
            Beside::Headers(ref headers) => read_header(headers, &self.body)?,
            Beside::Fields { header, .. } => header,
        };
        let hash = header.hash(&self.subject, &self.body);
        let commit = Commit::decode(header, &self.body)?;
        Ok(RecordedCommit { position: self.position, commit, hash })
    }
}

/// The commits of a batch.
fn split(
    position: u64,
    sequence: u64,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Vec<StoredCommit>, MessageError> {
    let batch = oi_events::read_batch(body).map_err(MessageError::Batch)?;
    let mut previous = parse(headers, PREVIOUS)?;
    let mut commits = Vec::with_capacity(batch.len());
    for (position, one) in (position..).zip(&batch) {
        let header = one.header(previous);
        let (subject, body) = (one.subject.to_owned(), body.slice_ref(one.body));
        commits
            .push(StoredCommit::kept(position, subject, header, one.hash, body).within(sequence));
        previous = one.hash;
    }
    if commits.is_empty() { Err(MessageError::Empty) } else { Ok(commits) }
}

/// A received message's commits, and how many messages the broker still has after it.
pub(crate) fn received(
    message: async_nats::jetstream::Message,
) -> Result<(Vec<StoredCommit>, u64), BoxError> {
    let info = message.info()?;
    let (sequence, pending) = (info.stream_sequence, info.pending);
    let (message, _) = message.split();
    let (subject, headers) = (message.subject.to_string(), message.headers.unwrap_or_default());
    Ok((StoredCommit::of_message(sequence, subject, headers, message.payload), pending))
}
