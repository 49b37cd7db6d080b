//! Several commits in one message, so that one write to the disk stores them all.
//!
//! Each commit keeps its own header, its own hash and its own place in the chain; only the
//! message is shared. The message says in the clear which commit comes before the first
//! one; its body is the postcard form of a sequence of [`Batched`].

use crate::codec::{CodecError, from_bytes_strict, to_bytes};
use crate::commit::CommitHeader;
use crate::hash::Hash;
use crate::ids::CommandId;
use serde::{Deserialize, Serialize};

/// The version of this layout, in the header `Oi-Format`.
pub const BATCH_FORMAT: u16 = 2;

/// One commit within a message. Frozen: a change makes another format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batched<'a> {
    /// The subject that it would have in a message of its own.
    pub subject: &'a str,
    /// As in [`CommitHeader`].
    pub command_id: CommandId,
    /// As in [`CommitHeader`].
    pub correlation: CommandId,
    /// As in [`CommitHeader`].
    pub actor: &'a str,
    /// As in [`CommitHeader`].
    pub time_ms: u64,
    /// The hash of the commit; the next one's `previous`.
    pub hash: Hash,
    /// Its frames.
    pub body: &'a [u8],
}

impl<'a> Batched<'a> {
    /// A commit with what stands beside it.
    pub fn new(
        header: &'a CommitHeader,
        subject: &'a str,
        hash: Hash,
        body: &'a [u8],
    ) -> Batched<'a> {
        Batched {
            subject,
            command_id: header.command_id,
            correlation: header.correlation,
            actor: &header.actor,
            time_ms: header.time_ms,
            hash,
            body,
        }
    }

    /// Its header, after the commit with the hash `previous`.
    pub fn header(&self, previous: Hash) -> CommitHeader {
        CommitHeader {
            command_id: self.command_id,
            correlation: self.correlation,
            actor: self.actor.to_owned(),
            time_ms: self.time_ms,
            previous,
        }
    }
}

/// The body of a message that holds these commits.
///
/// # Errors
/// Where one has no stored form.
pub fn write_batch(commits: &[Batched<'_>]) -> Result<Vec<u8>, CodecError> {
    to_bytes(&commits)
}

/// Reads such a body.
///
/// # Errors
/// Where it is not one, or something follows it.
pub fn read_batch(body: &[u8]) -> Result<Vec<Batched<'_>>, CodecError> {
    from_bytes_strict(body)
}
