//! Commands as messages.

use super::MessageError;
use super::header::{
    ACTOR, COMMAND_ID, CORRELATION, EXPECTED, FORMAT_HEADER, KINDS, TIME, parse, put, text,
};
use crate::subjects;
use async_nats::HeaderMap;
use bytes::Bytes;
use oi_events::{Command, CommandEnvelope, CommandId, FORMAT, parsed};

/// The subject, headers and body of a command.
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
    Ok((subjects::command(kind.name), headers, envelope.command.encode()?.into()))
}

/// A command from the subject that stores its kind. The broker's permissions on subjects
/// therefore hold for kinds of commands too.
pub(crate) fn decode_stored_command(
    subject: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<CommandEnvelope, MessageError> {
    let envelope = decode_command(headers, body)?;
    if subject != subjects::command(envelope.command.kind().name) {
        return Err(MessageError::Subject { subject: subject.to_owned() });
    }
    Ok(envelope)
}

/// A command from any subject.
pub(crate) fn decode_command(
    headers: &HeaderMap,
    body: &[u8],
) -> Result<CommandEnvelope, MessageError> {
    let kinds = text(headers, KINDS)?;
    let bad = || MessageError::Header { name: KINDS, value: kinds.to_owned() };
    let mut parts = kinds.split(' ');
    let mut number = || parts.next().and_then(parsed::<u16>).ok_or_else(bad);
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
