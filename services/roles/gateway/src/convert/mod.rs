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
use oi_events::{Command, CommandEnvelope, CommandId, Limit};
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
    let none = |_| Rejected::field(field, format!("{value} is not a port: use 1 to 65535"));
    u16::try_from(value).map_err(none)
}

/// Who asks: something that can stand in a header and is not endless.
pub fn actor(text: &str) -> Result<String, Rejected> {
    let fits =
        (1..=Limit::Actor.bound()).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits && !text.starts_with("system:") {
        return Ok(text.to_owned());
    }
    Err(Rejected::field("actor", Limit::Actor.problem()))
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

/// By how much a sender's clock may be ahead.
const AHEAD_MS: u64 = Limit::ClockAhead.bound() as u64 * 1000;

/// When a command was first sent, Unix milliseconds: what was decided long ago under its id is
/// no longer remembered, so that a command which may be as old as that is refused.
fn issued_at(id: CommandId, told_ms: u64, now_ms: u64) -> Result<u64, Rejected> {
    // A UUID of version 7 says it (RFC 9562, 5.7); otherwise the sender does.
    let of_id = id.0.get_timestamp().filter(|_| id.0.get_version_num() == 7).map(|t| {
        let (seconds, nanos) = t.to_unix();
        seconds.saturating_mul(1000).saturating_add(u64::from(nanos) / 1_000_000)
    });
    let told = (told_ms > 0).then_some(told_ms);
    let first = of_id.into_iter().chain(told).min().ok_or_else(|| {
        Rejected::field(
            "issued_at_ms",
            "is absent, and command_id is no UUID of version 7, which says when it was made: \
             give one of them, and the same each time that the command is sent",
        )
    })?;
    if first > now_ms.saturating_add(AHEAD_MS) {
        let ahead = first.saturating_sub(now_ms) / 1000;
        return Err(Rejected::field(
            if of_id == Some(first) { "command_id" } else { "issued_at_ms" },
            format!(
                "is of a clock that is {ahead} s ahead of this server's: {}",
                Limit::ClockAhead.problem()
            ),
        ));
    }
    Ok(first.min(now_ms))
}

/// A command that came with a time, which is no older than its id says.
pub fn dated(envelope: CommandEnvelope) -> Result<CommandEnvelope, Rejected> {
    let issued_at_ms = issued_at(envelope.id, envelope.issued_at_ms, now_ms())?;
    Ok(CommandEnvelope { issued_at_ms, ..envelope })
}

/// Reads a request; refuses what is malformed before anything is stored.
pub fn envelope(request: v1::SubmitRequest) -> Result<CommandEnvelope, Rejected> {
    let id: CommandId = parse("command_id", &request.command_id)?;
    let asked = request.command.ok_or_else(|| Rejected::field("command", "is absent"))?;
    Ok(CommandEnvelope {
        id,
        actor: actor(&request.actor)?,
        issued_at_ms: issued_at(id, request.issued_at_ms, now_ms())?,
        correlation: id,
        expected_position: (request.expected_position > 0).then_some(request.expected_position),
        command: command(asked)?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::issued_at;
    use oi_events::CommandId;
    use uuid::Uuid;

    const NOW: u64 = 1_800_000_000_000;

    fn made_at(ms: u64) -> CommandId {
        let time = uuid::Timestamp::from_unix(uuid::NoContext, ms / 1000, 0);
        CommandId(Uuid::new_v7(time))
    }

    #[test]
    fn a_command_is_as_old_as_its_id_however_often_it_is_sent() {
        let id = made_at(NOW - 60_000);
        assert_eq!(issued_at(id, 0, NOW), Ok(NOW - 60_000));
        assert_eq!(issued_at(id, NOW, NOW), Ok(NOW - 60_000), "whatever the sender says");
        assert_eq!(issued_at(id, NOW - 90_000, NOW), Ok(NOW - 90_000));
        assert_eq!(issued_at(made_at(NOW + 60_000), 0, NOW), Ok(NOW), "by a clock that is ahead");
        let refused = issued_at(made_at(NOW + 600_000), 0, NOW).unwrap_err();
        assert!(refused.message.contains("600 s ahead"), "{}", refused.message);
    }

    #[test]
    fn an_id_that_does_not_say_how_old_it_is_comes_with_a_time() {
        let id = CommandId("4fd7b1a0-5f5e-4c6b-8a62-6f2c8a1d2f11".parse().unwrap());
        let refused = issued_at(id, 0, NOW).unwrap_err();
        assert!(refused.message.contains("UUID of version 7"), "{}", refused.message);
        assert_eq!(issued_at(id, NOW - 5, NOW), Ok(NOW - 5));
    }
}
