//! How a command travels, and how it is answered.

use crate::code::Code;
use crate::command::Command;
use crate::ids::CommandId;
use serde::{Deserialize, Serialize};

/// A command with who asked and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnvelope {
    /// Named by the sender: the same id is decided once.
    pub id: CommandId,
    /// Who asked.
    pub actor: String,
    /// When it was asked, Unix milliseconds, by the sender's clock.
    pub issued_at_ms: u64,
    /// What it belongs to: the first command of a chain.
    pub correlation: CommandId,
    /// The log position that the sender had seen, if it must still be the last.
    pub expected_position: Option<u64>,
    /// What is asked.
    pub command: Command,
}

impl CommandEnvelope {
    /// A command that begins a chain of its own, wherever the log ends.
    pub fn new(
        id: CommandId,
        actor: impl Into<String>,
        issued_at_ms: u64,
        command: impl Into<Command>,
    ) -> CommandEnvelope {
        CommandEnvelope {
            id,
            actor: actor.into(),
            issued_at_ms,
            correlation: id,
            expected_position: None,
            command: command.into(),
        }
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Decided and stored at this log position.
    Committed {
        /// The position of the commit.
        position: u64,
    },
    /// It asked for what already holds; nothing was stored.
    Unchanged {
        /// The log position against which this was decided.
        position: u64,
    },
    /// Refused; nothing was stored.
    Rejected {
        /// What programs go by.
        code: Code,
        /// What is wrong and what to do, for people.
        message: String,
    },
}
