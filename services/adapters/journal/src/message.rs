//! Commits and commands as NATS messages: headers in the clear, frames as body.

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, HeaderValue, ParseHeaderValueError};
use bytes::Bytes;
use oi_events::{
    BATCH_FORMAT, Batched, Command, CommandEnvelope, CommandId, Commit, CommitError, CommitHeader,
    FORMAT, Hash, RecordError, RecordedCommit,
};
use std::num::NonZeroU64;
use std::str::FromStr;

const FORMAT_HEADER: &str = "Oi-Format";
const KINDS: &str = "Oi-Kinds";
const COMMAND_ID: &str = "Oi-Command-Id";
const CORRELATION: &str = "Oi-Correlation";
const ACTOR: &str = "Oi-Actor";
const TIME: &str = "Oi-Time";
const PREVIOUS: &str = "Oi-Previous-Hash";
const HASH: &str = "Oi-Hash";
const EXPECTED: &str = "Oi-Expected-Position";
/// The position of the message's first commit; absent where that is the sequence.
const POSITION: &str = "Oi-Position";
/// The subject of a message of several commits.
const BATCH_SUBJECT: &str = "oi.events.batch";

/// A message that is not one of ours.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// A header is absent.
    #[error("header {0} is absent")]
    Absent(&'static str),
    /// A header does not parse.
    #[error("header {name} has the unusable value {value:?}")]
    Header {
        /// Which one.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// A value cannot stand in a header.
    #[error("{name} cannot be sent: it contains line breaks")]
    Unsendable {
        /// Which header.
        name: &'static str,
        /// Why.
        #[source]
        source: ParseHeaderValueError,
    },
    /// The body is not a commit.
    #[error("the body is not a commit")]
    Commit(#[from] CommitError),
    /// The body is not a command.
    #[error("the body is not a command")]
    Command(#[from] RecordError),
    /// The body is not several commits.
    #[error("the body does not hold several commits")]
    Batch(#[source] oi_events::CodecError),
    /// It came by another way than its kind does.
    #[error("the command does not belong on {subject}")]
    Subject {
        /// Where it came.
        subject: String,
    },
    /// There is nothing in it.
    #[error("the message holds no commit")]
    Empty,
    /// The frames cannot be encoded.
    #[error("cannot encode")]
    Encode(#[from] oi_events::CodecError),
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), MessageError> {
    let value =
        HeaderValue::from_str(value).map_err(|source| MessageError::Unsendable { name, source })?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, MessageError> {
    headers.get(name).map(HeaderValue::as_str).ok_or(MessageError::Absent(name))
}

fn parse<T: FromStr>(headers: &HeaderMap, name: &'static str) -> Result<T, MessageError> {
    let value = text(headers, name)?;
    value.parse().map_err(|_| MessageError::Header { name, value: value.to_owned() })
}

/// The subject of a commit: `oi.events.<kind>.<id>` of what its command is about.
pub fn subject_of(command: &Command) -> String {
    format!("oi.events.{}", command.facts().about.subject())
}

/// What stands beside a commit's body.
#[derive(Debug, Clone)]
enum Beside {
    /// A message's headers, not looked at yet.
    Headers(HeaderMap),
    /// The fields as an archive keeps them.
    Fields { header: CommitHeader, hash: Hash },
}

fn read_header(headers: &HeaderMap) -> Result<CommitHeader, MessageError> {
    let format: u16 = parse(headers, FORMAT_HEADER)?;
    if format == BATCH_FORMAT {
        // A message of several is taken apart before anybody asks, if it can be.
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

/// A commit as stored: nothing decoded but where it stands.
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
    /// The commits of a message, in order. One that cannot be taken apart is a single
    /// commit whose header cannot be read.
    pub(crate) fn of_message(
        sequence: u64,
        subject: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Vec<StoredCommit> {
        let position = parse::<NonZeroU64>(&headers, POSITION).map_or(sequence, u64::from);
        if parse(&headers, FORMAT_HEADER).is_ok_and(|format: u16| format == BATCH_FORMAT)
            && let Ok(several) = several(position, sequence, &headers, &body)
        {
            return several;
        }
        let beside = Beside::Headers(headers);
        vec![StoredCommit { position, sequence, subject, body, beside }]
    }

    /// A commit that was kept elsewhere than on a broker, with the hash that its writer
    /// put beside it.
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
    /// Where one is absent or does not parse.
    pub fn header(&self) -> Result<CommitHeader, MessageError> {
        match &self.beside {
            Beside::Headers(headers) => read_header(headers),
            Beside::Fields { header, .. } => Ok(header.clone()),
        }
    }

    /// The hash that the writer put beside the commit.
    ///
    /// # Errors
    /// Where it is absent or does not parse.
    pub fn claimed_hash(&self) -> Result<Hash, MessageError> {
        match &self.beside {
            Beside::Headers(headers) => parse(headers, HASH),
            Beside::Fields { hash, .. } => Ok(*hash),
        }
    }

    /// The hash of what is stored.
    ///
    /// # Errors
    /// As [`header`](Self::header).
    pub fn hash(&self) -> Result<Hash, MessageError> {
        Ok(self.header()?.hash(&self.subject, &self.body))
    }

    /// The kinds that the writer put beside the commit, the command's first, separated by
    /// commas; none where it was kept without.
    pub fn claimed_kinds(&self) -> Option<&str> {
        match &self.beside {
            Beside::Headers(headers) => {
                Some(headers.get(KINDS).map(HeaderValue::as_str).unwrap_or_default())
            }
            Beside::Fields { .. } => None,
        }
    }

    /// Decodes all of it, and hashes what is stored.
    ///
    /// # Errors
    /// Where it is not a commit that this release reads.
    pub fn decode(self) -> Result<RecordedCommit, MessageError> {
        let header = match self.beside {
            Beside::Headers(ref headers) => read_header(headers)?,
            Beside::Fields { header, .. } => header,
        };
        let hash = header.hash(&self.subject, &self.body);
        let commit = Commit::decode(header, &self.body)?;
        Ok(RecordedCommit { position: self.position, commit, hash })
    }
}

/// The commits of a message of several.
fn several(
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

/// A commit with its stored form, made once.
#[derive(Debug, Clone)]
pub struct Entry {
    commit: Commit,
    subject: String,
    body: Bytes,
    hash: Hash,
}

impl Entry {
    /// Encodes a commit, and hashes what will be stored.
    ///
    /// # Errors
    /// Where it has no stored form.
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
    let (subject, body) = if entries.len() == 1 {
        put(&mut headers, FORMAT_HEADER, &FORMAT.to_string())?;
        put(&mut headers, KINDS, &kinds(&first.commit))?;
        put(&mut headers, COMMAND_ID, &header.command_id.to_string())?;
        put(&mut headers, CORRELATION, &header.correlation.to_string())?;
        put(&mut headers, ACTOR, &header.actor)?;
        put(&mut headers, TIME, &header.time_ms.to_string())?;
        (first.subject.clone(), first.body.clone())
    } else {
        put(&mut headers, FORMAT_HEADER, &BATCH_FORMAT.to_string())?;
        let batch: Vec<Batched<'_>> = entries
            .iter()
            .map(|e| Batched::new(&e.commit.header, &e.subject, e.hash, &e.body))
            .collect();
        (BATCH_SUBJECT.to_owned(), oi_events::write_batch(&batch)?.into())
    };
    put(&mut headers, PREVIOUS, &header.previous.to_string())?;
    put(&mut headers, HASH, &last.hash.to_string())?;
    if position != sequence {
        put(&mut headers, POSITION, &position.to_string())?;
    }
    headers.insert(async_nats::header::NATS_MESSAGE_ID, header.command_id.to_string());
    Ok(Outgoing { subject, headers, body, hash: last.hash })
}

/// What a commit holds, the command's kind first.
pub fn kinds(commit: &Commit) -> String {
    let mut kinds = commit.command.kind().name.to_owned();
    for event in &commit.events {
        kinds.push(',');
        kinds.push_str(event.kind().name);
    }
    kinds
}

fn command_subject(command: &Command) -> String {
    format!("oi.commands.{}", command.kind().name)
}

pub(crate) fn encode_command(
    envelope: &CommandEnvelope,
) -> Result<(String, HeaderMap, Bytes), MessageError> {
    let kind = envelope.command.kind();
    let mut headers = HeaderMap::new();
    put(&mut headers, FORMAT_HEADER, &FORMAT.to_string())?;
    put(&mut headers, KINDS, &format!("{} {} {}", kind.kind, kind.version, kind.name))?;
    put(&mut headers, COMMAND_ID, &envelope.id.to_string())?;
    put(&mut headers, CORRELATION, &envelope.correlation.to_string())?;
    put(&mut headers, ACTOR, &envelope.actor)?;
    put(&mut headers, TIME, &envelope.issued_at_ms.to_string())?;
    if let Some(position) = envelope.expected_position {
        put(&mut headers, EXPECTED, &position.to_string())?;
    }
    Ok((command_subject(&envelope.command), headers, envelope.command.encode()?.into()))
}

/// What the broker's permissions say about subjects holds for kinds of commands too.
pub(crate) fn decode_stored_command(
    subject: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<CommandEnvelope, MessageError> {
    let envelope = decode_command(headers, body)?;
    if subject != command_subject(&envelope.command) {
        return Err(MessageError::Subject { subject: subject.to_owned() });
    }
    Ok(envelope)
}

pub(crate) fn decode_command(
    headers: &HeaderMap,
    body: &[u8],
) -> Result<CommandEnvelope, MessageError> {
    let kinds = text(headers, KINDS)?;
    let bad = || MessageError::Header { name: KINDS, value: kinds.to_owned() };
    let mut parts = kinds.split(' ');
    let mut number = || parts.next().and_then(|p| p.parse::<u16>().ok()).ok_or_else(bad);
    let (kind, version) = (number()?, number()?);
    let expected_position = match headers.get(EXPECTED) {
        Some(_) => Some(parse(headers, EXPECTED)?),
        None => None,
    };
    Ok(CommandEnvelope {
        id: parse::<CommandId>(headers, COMMAND_ID)?,
        actor: text(headers, ACTOR)?.to_owned(),
        issued_at_ms: parse(headers, TIME)?,
        correlation: parse(headers, CORRELATION)?,
        expected_position,
        command: Command::decode(kind, version, body)?,
    })
}
