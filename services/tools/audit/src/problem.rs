//! What can be wrong with a log.

use oi_domain::Differs;
use oi_events::Hash;
use oi_journal::MessageError;

/// Something that must not be in a log.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Positions are missing.
    #[error("positions {from} to {to} are missing")]
    Gap {
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// The stored bytes are not those that were written.
    #[error("its content was changed: it hashes to {found}, but its writer noted {noted}")]
    Changed {
        /// The hash of what is stored.
        found: Hash,
        /// The hash that the writer put beside it.
        noted: Hash,
    },
    /// The commit before it is not the one that its writer saw.
    #[error(
        "the commit before it was changed or replaced: it follows {named}, but {found} stands there"
    )]
    Unchained {
        /// The hash that this commit names.
        named: Hash,
        /// The hash of the commit before.
        found: Hash,
    },
    /// The header lists other kinds than the records have.
    #[error("its header lists {listed}, but it holds {held}")]
    Kinds {
        /// What the header says.
        listed: String,
        /// What the body says.
        held: String,
    },
    /// A command was decided twice.
    #[error("the same command was decided at position {first} already")]
    Duplicate {
        /// Its first position.
        first: u64,
    },
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[from] MessageError),
    /// The rules decide otherwise.
    #[error("this was not decided by the rules")]
    Unruled(#[source] Differs),
    /// A checkpoint attests another log.
    #[error(
        "a signed checkpoint attests other commits: what stands between positions {from} and {to} was rewritten"
    )]
    Rewritten {
        /// The first position that may be another one.
        from: u64,
        /// The position of the checkpoint.
        to: u64,
    },
    /// A checkpoint attests more.
    #[error(
        "the log ends here, but a signed checkpoint attests {attested} commits: the rest was cut off"
    )]
    Truncated {
        /// How many there were.
        attested: u64,
    },
}

/// A problem with its place.
#[derive(Debug, thiserror::Error)]
#[error("position {position}")]
pub struct Finding {
    /// Where.
    pub position: u64,
    /// What.
    #[source]
    pub problem: Problem,
}
