//! Commits on their way to the log.

use super::header::{
    ACTOR, COMMAND_ID, CORRELATION, FORMAT_HEADER, HASH, KINDS, POSITION, PREVIOUS, TIME, put,
};
use super::stored::StoredCommit;
use super::{MessageError, subject_of};
use async_nats::HeaderMap;
use bytes::Bytes;
use oi_events::{BATCH_FORMAT, Batched, Commit, FORMAT, Hash, RecordedCommit};

/// The subject of a message of several commits.
const BATCH_SUBJECT: &str = "oi.events.batch";

/// A commit with its stored form, encoded once.
#[derive(Debug, Clone)]
pub struct Entry {
    commit: Commit,
    subject: String,
    body: Bytes,
    hash: Hash,
}

impl Entry {
    /// The most bytes of a decision that a log takes, by [`size`](Self::size).
    pub const LARGEST: usize = 640 * 1024;

    /// Encodes a commit, and hashes what will be stored.
    ///
    /// # Errors
    /// When it has no stored form.
    pub fn new(commit: Commit) -> Result<Entry, MessageError> {
        let (subject, body) = (subject_of(&commit.command), commit.encode_body()?);
        let hash = commit.header.hash(&subject, &body);
        Ok(Entry { commit, subject, body: body.into(), hash })
    }

    /// A commit that was stored elsewhere, byte for byte.
    pub(crate) fn again(stored: &StoredCommit) -> Result<Entry, MessageError> {
        let (header, hash) = (stored.header()?, stored.claimed_hash()?);
        let commit = Commit::decode(header, &stored.body)?;
        Ok(Entry { commit, subject: stored.subject.clone(), body: stored.body.clone(), hash })
    }

    /// The hash that the next commit names.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The commit.
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// About how many bytes it takes in a message.
    pub fn size(&self) -> usize {
        self.body.len() + self.subject.len() + self.commit.header.actor.len() + 80
    }

    /// The commit at its place.
    pub fn recorded(self, position: u64) -> RecordedCommit {
        RecordedCommit { position, commit: self.commit, hash: self.hash }
    }
}

/// A message ready to be sent.
pub(crate) struct Outgoing {
    pub subject: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The hash of its last commit.
    pub hash: Hash,
}

/// The message that holds these commits, the first at `position`, if the broker gives it
/// this sequence.
pub(crate) fn outgoing(
    entries: &[Entry],
    position: u64,
    sequence: u64,
) -> Result<Outgoing, MessageError> {
    let (first, last) = entries.first().zip(entries.last()).ok_or(MessageError::Empty)?;
    let header = &first.commit.header;
    let mut headers = HeaderMap::new();
    let (subject, body) = match entries {
        [entry] => {
            put_fields(&mut headers, &entry.commit)?;
            (entry.subject.clone(), entry.body.clone())
        }
        _ => {
            put(&mut headers, FORMAT_HEADER, &BATCH_FORMAT.to_string())?;
            let batch: Vec<Batched<'_>> = entries
                .iter()
                .map(|e| Batched::new(&e.commit.header, &e.subject, e.hash, &e.body))
                .collect();
            (BATCH_SUBJECT.to_owned(), oi_events::write_batch(&batch)?.into())
        }
    };
    put(&mut headers, PREVIOUS, &header.previous.to_string())?;
    put(&mut headers, HASH, &last.hash.to_string())?;
    if position != sequence {
        put(&mut headers, POSITION, &position.to_string())?;
    }
    headers.insert(async_nats::header::NATS_MESSAGE_ID, header.command_id.to_string());
    Ok(Outgoing { subject, headers, body, hash: last.hash })
}

/// The headers of a single commit.
fn put_fields(headers: &mut HeaderMap, commit: &Commit) -> Result<(), MessageError> {
    let header = &commit.header;
    put(headers, FORMAT_HEADER, &FORMAT.to_string())?;
    put(headers, KINDS, &kinds(commit))?;
    put(headers, COMMAND_ID, &header.command_id.to_string())?;
    put(headers, CORRELATION, &header.correlation.to_string())?;
    put(headers, ACTOR, &header.actor)?;
    put(headers, TIME, &header.time_ms.to_string())
}

/// The kinds of a commit's records, separated by commas, the command's kind first.
pub fn kinds(commit: &Commit) -> String {
    let mut kinds = commit.command.kind().name.to_owned();
    for event in &commit.events {
        kinds.push(',');
        kinds.push_str(event.kind().name);
    }
    kinds
}
