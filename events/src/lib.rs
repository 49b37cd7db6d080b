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
mod facts;
mod features;
mod hash;
mod ids;
mod job;
mod limit;
mod parsed;
mod record;
mod text;

pub use batch::{BATCH_FORMAT, Batched, read_batch, write_batch};
pub use chain::chain;
pub use code::{Code, CodeClass};
pub use codec::{CodecError, from_bytes_strict, to_bytes};
pub use command::Command;
pub use commit::{Commit, CommitError, CommitHeader, FORMAT, Frame, RecordedCommit, read_frames};
pub use credential::Credential;
pub use envelope::{CommandEnvelope, Outcome};
pub use event::Event;
pub use facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
pub use features::addons::*;
pub use features::authentication::*;
pub use features::backup::*;
pub use features::cluster::*;
pub use features::endpoint::*;
pub use features::feature_level::*;
pub use features::hypervisor::*;
pub use features::job::*;
pub use features::node::*;
pub use features::observation::*;
pub use features::rotation::*;
pub use features::tenant::*;
pub use features::tunnel::*;
pub use features::upgrade::*;

pub use hash::{Hash, HashError};
pub use ids::*;
pub use job::{Job, JobKind, JobScope, JobTarget};
pub use limit::Limit;
pub use parsed::parsed;
pub use record::{RecordError, RecordKind};
pub use text::{LONGEST_TEXT, quoted, shorten};
