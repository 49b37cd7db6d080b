//! Between what travels and what is recorded: requests to commands, with everything that can
//! be wrong with their form, and the state to answers. A file for each feature.

pub mod addons;
pub mod authentication;
pub mod backup;
pub mod cluster;
mod endpoint;
mod feature_level;
pub mod hypervisor;
pub mod job;
pub mod node;
pub mod plan;
mod rotation;
mod tunnel;
mod upgrade;

use crate::rejected::Rejected;
use oi_clock::now_ms;
use oi_events::{Command, CommandEnvelope, CommandId};
use oi_proto::v1::{self, submit_request::Command as Asked};
use std::fmt::Display;
use std::str::FromStr;

/// A request that becomes a command.
trait IntoCommand {
    /// Reads it.
    fn into_command(self) -> Result<Command, Rejected>;
}

macro_rules! command {
    ($($name:ident),*) => {
        /// Reads what is asked.
        fn command(asked: Asked) -> Result<Command, Rejected> {
            match asked { $( Asked::$name(request) => request.into_command() ),* }
        }
    };
}
oi_proto::each_command!(command);

/// A field that does not parse is named.
pub fn parse<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<T, Rejected> {
    text.parse().map_err(|e| Rejected::field(field, e))
}

/// How many there are, as messages say it.
fn count(all: usize) -> u32 {
    all.min(u32::MAX as usize) as u32
}

fn port(field: &str, value: u32) -> Result<u16, Rejected> {
    u16::try_from(value).map_err(|_| Rejected::field(field, format!("{value} is not a port")))
}

/// Who asks: something that can stand in a header and is not endless.
pub fn actor(text: &str) -> Result<String, Rejected> {
    let fits = (1..=200).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits && !text.starts_with("system:") {
        return Ok(text.to_owned());
    }
    Err(Rejected::field(
        "actor",
        "say who asks, in 1 to 200 characters without line breaks; system: is reserved",
    ))
}

/// A request of which it is only asked what it would do.
pub fn planned(request: v1::SubmitRequest) -> Result<CommandEnvelope, Rejected> {
    let or = |text: String, other: String| if text.is_empty() { other } else { text };
    envelope(v1::SubmitRequest {
        command_id: or(request.command_id, uuid::Uuid::now_v7().to_string()),
        actor: or(request.actor, "plan".to_owned()),
        ..request
    })
}

/// Reads a request; refuses what is malformed before anything is stored.
pub fn envelope(request: v1::SubmitRequest) -> Result<CommandEnvelope, Rejected> {
    let id: CommandId = parse("command_id", &request.command_id)?;
    let asked = request.command.ok_or_else(|| Rejected::field("command", "is absent"))?;
    Ok(CommandEnvelope {
        id,
        actor: actor(&request.actor)?,
        issued_at_ms: if request.issued_at_ms == 0 { now_ms() } else { request.issued_at_ms },
        correlation: id,
        expected_position: (request.expected_position > 0).then_some(request.expected_position),
        command: command(asked)?,
    })
}
