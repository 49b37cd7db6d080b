//! The headers of messages, by name.

use super::MessageError;
use async_nats::HeaderMap;
use async_nats::header::{HeaderName, HeaderValue};
use std::str::FromStr;

pub(super) const FORMAT_HEADER: &str = "Oi-Format";
pub(super) const KINDS: &str = "Oi-Kinds";
pub(super) const COMMAND_ID: &str = "Oi-Command-Id";
pub(super) const CORRELATION: &str = "Oi-Correlation";
pub(super) const ACTOR: &str = "Oi-Actor";
pub(super) const TIME: &str = "Oi-Time";
pub(super) const PREVIOUS: &str = "Oi-Previous-Hash";
pub(super) const HASH: &str = "Oi-Hash";
pub(super) const EXPECTED: &str = "Oi-Expected-Position";
/// The position of the message's first commit; absent if that equals the sequence.
pub(super) const POSITION: &str = "Oi-Position";

pub(super) fn put(
    headers: &mut HeaderMap,
    name: &'static str,
    value: &str,
) -> Result<(), MessageError> {
    let value =
        HeaderValue::from_str(value).map_err(|source| MessageError::Unsendable { name, source })?;
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

pub(super) fn text<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<&'a str, MessageError> {
    headers.get(name).map(HeaderValue::as_str).ok_or(MessageError::Absent(name))
}

pub(super) fn parse<T: FromStr>(
    headers: &HeaderMap,
    name: &'static str,
) -> Result<T, MessageError> {
    let value = text(headers, name)?;
    value.parse().map_err(|_| MessageError::Header { name, value: value.to_owned() })
}
