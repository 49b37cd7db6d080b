//! Commits and commands as NATS messages: headers in the clear, frames as body.

mod command;
mod entry;
mod header;
mod stored;
mod subject;

pub(crate) use command::{decode_command, decode_stored_command, encode_command};
pub use entry::{Entry, kinds};
pub(crate) use entry::{Outgoing, outgoing};
pub use stored::StoredCommit;
pub(crate) use stored::received;
pub use subject::subject_of;

use async_nats::header::ParseHeaderValueError;
use oi_events::{CodecError, CommitError, RecordError};

/// Why a message is not one of ours, or cannot become one.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// A header is absent.
    #[error("header {0} is absent")]
    Absent(&'static str),
    /// A header does not parse.
    #[error("header {name} has the invalid value {value:?}")]
    Header {
        /// Which header.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// A value cannot be put in a header.
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
    /// The body is not a batch of commits.
    #[error("the body is not a batch of commits")]
    Batch(#[source] CodecError),
    /// The body is not a job.
    #[error("the body is not a job")]
    Job(#[source] CodecError),
    /// The body is not an advisory of the broker.
    #[error("the body is not an advisory about a job")]
    Advisory(#[source] serde_json::Error),
    /// The command's kind does not belong on the subject that carried it.
    #[error("the command does not belong on {subject}")]
    Subject {
        /// The subject that carried it.
        subject: String,
    },
    /// The message holds no commit.
    #[error("the message holds no commit")]
    Empty,
    /// The frames cannot be encoded.
    #[error("cannot encode")]
    Encode(#[from] CodecError),
}
