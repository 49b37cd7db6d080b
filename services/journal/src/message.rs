//! Commits and commands as NATS messages: headers in the clear, frames as body.

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, HeaderValue, ParseHeaderValueError};
use bytes::Bytes;
use oi_events::{
    Command, CommandEnvelope, CommandId, Commit, CommitError, CommitHeader, FORMAT, Hash,
    RecordError, RecordedCommit,
};
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
    let (kind, id) = match command {
        Command::RegisterHypervisor(c) => ("hypervisor", c.name.to_string()),
        Command::CordonHypervisor(c) => ("hypervisor", c.name.to_string()),
        Command::UnregisterHypervisor(c) => ("hypervisor", c.name.to_string()),
        Command::CreateCluster(c) => ("cluster", c.name.to_string()),
        Command::DeleteCluster(c) => ("cluster", c.name.to_string()),
        Command::RecordKubeconfig(c) => ("cluster", c.cluster.to_string()),
        Command::AddNode(c) => ("cluster", c.cluster.to_string()),
        Command::RemoveNode(c) => ("cluster", c.cluster.to_string()),
        Command::ReplaceNode(c) => ("cluster", c.cluster.to_string()),
        Command::UpgradeCluster(c) => ("cluster", c.name.to_string()),
        Command::ChangeUpgrade(c) => ("cluster", c.name.to_string()),
        Command::HibernateCluster(c) => ("cluster", c.name.to_string()),
        Command::BuryCluster(c) => ("cluster", c.name.to_string()),
        Command::UndeleteCluster(c) => ("cluster", c.name.to_string()),
        Command::RenewCertificates(c) => ("cluster", c.cluster.to_string()),
        Command::ScaleCluster(c) => ("cluster", c.name.to_string()),
        Command::BackupCluster(c) => ("cluster", c.name.to_string()),
        Command::ScheduleBackups(c) => ("cluster", c.name.to_string()),
        Command::DeleteBackup(c) => ("cluster", c.cluster.to_string()),
        Command::RestoreCluster(c) => ("cluster", c.name.to_string()),
        Command::CloneCluster(c) => ("cluster", c.name.to_string()),
        Command::RotateAuthorities(c) => ("cluster", c.name.to_string()),
        Command::AbandonHypervisor(c) => ("hypervisor", c.name.to_string()),
        Command::ReportJob(c) => ("job", c.job.to_string()),
        Command::RetryJob(c) => ("job", c.job.to_string()),
        Command::ReportObservation(_) => ("observation", "seen".to_owned()),
    };
    format!("oi.events.{kind}.{id}")
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
    /// The stream sequence.
    pub position: u64,
    /// The subject.
    pub subject: String,
    /// The body's bytes.
    pub body: Bytes,
    beside: Beside,
}

impl StoredCommit {
    pub(crate) fn new(position: u64, subject: String, headers: HeaderMap, body: Bytes) -> Self {
        StoredCommit { position, subject, body, beside: Beside::Headers(headers) }
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
        StoredCommit { position, subject, body, beside: Beside::Fields { header, hash } }
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

    /// The message id under which it was appended: its command's id.
    pub(crate) fn message_id(&self) -> Option<&str> {
        match &self.beside {
            Beside::Headers(headers) => {
                headers.get(async_nats::header::NATS_MESSAGE_ID).map(HeaderValue::as_str)
            }
            Beside::Fields { .. } => None,
        }
    }

    /// As the message that it was, byte for byte.
    pub(crate) fn outgoing(&self) -> Result<Outgoing, MessageError> {
        let (header, hash) = (self.header()?, self.claimed_hash()?);
        let commit = Commit::decode(header.clone(), &self.body)?;
        let headers = headers(&header, &kinds(&commit), hash)?;
        Ok(Outgoing { subject: self.subject.clone(), headers, body: self.body.clone(), hash })
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

/// A commit ready to be sent.
pub(crate) struct Outgoing {
    pub subject: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub hash: Hash,
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

fn headers(header: &CommitHeader, kinds: &str, hash: Hash) -> Result<HeaderMap, MessageError> {
    let mut headers = HeaderMap::new();
    put(&mut headers, FORMAT_HEADER, &FORMAT.to_string())?;
    put(&mut headers, KINDS, kinds)?;
    put(&mut headers, COMMAND_ID, &header.command_id.to_string())?;
    put(&mut headers, CORRELATION, &header.correlation.to_string())?;
    put(&mut headers, ACTOR, &header.actor)?;
    put(&mut headers, TIME, &header.time_ms.to_string())?;
    put(&mut headers, PREVIOUS, &header.previous.to_string())?;
    put(&mut headers, HASH, &hash.to_string())?;
    headers.insert(async_nats::header::NATS_MESSAGE_ID, header.command_id.to_string());
    Ok(headers)
}

pub(crate) fn encode_commit(commit: &Commit) -> Result<Outgoing, MessageError> {
    let (subject, body) = (subject_of(&commit.command), commit.encode_body()?);
    let hash = commit.header.hash(&subject, &body);
    let headers = headers(&commit.header, &kinds(commit), hash)?;
    Ok(Outgoing { subject, headers, body: body.into(), hash })
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
    Ok((format!("oi.commands.{}", kind.name), headers, envelope.command.encode()?.into()))
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
