//! What may be said: the ids, commands, events and jobs of `oi`, and the exact
//! bytes in which they are stored.
//!
//! A *command* is a request and can be refused. An *event* is a fact and cannot.
//! One decision is one [`Commit`]: the command as it was asked and the events
//! that it caused, framed one by one, with a header in the clear that carries
//! the hash of the commit before it. Where many are decided at once, one message
//! carries several commits.
//!
//! The crate is pure: no I/O, no clock, no randomness. Stored types are frozen
//! (`…V1`); a change makes a new version and an upcaster, never an edit. The
//! files under `tests/golden` hold the bytes of each kind and version.

mod batch;
mod chain;
mod code;
mod codec;
mod command;
mod commit;
mod credential;
mod envelope;
mod event;
mod hash;
mod ids;
mod job;
mod record;

pub use batch::{BATCH_FORMAT, Batched, read_batch, write_batch};
pub use chain::chain;
pub use code::{Code, CodeClass};
pub use codec::{CodecError, from_bytes_strict, to_bytes};
pub use command::*;
pub use commit::{Commit, CommitError, CommitHeader, FORMAT, Frame, RecordedCommit, read_frames};
pub use credential::Credential;
pub use envelope::{CommandEnvelope, Outcome};
pub use event::*;
pub use hash::{Hash, HashError};
pub use ids::*;
pub use job::{Job, JobKind};
pub use record::{RecordError, RecordKind};
