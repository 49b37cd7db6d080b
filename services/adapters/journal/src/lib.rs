//! The event log on NATS JetStream, and the queues around it. The only user of
//! async-nats.
//!
//! | stream        | what it holds                                             |
//! |---------------|-----------------------------------------------------------|
//! | `OI_EVENTS`   | the truth: a message is a `Commit`, or several that were decided at once; never deleted |
//! | `OI_COMMANDS` | what was asked and is not decided yet (work queue)        |
//! | `OI_JOBS`     | work that is owed, at most one message a job (work queue) |
//! | `OI_ADVISORIES` | the broker's word on jobs that it gave up               |
//! | `OI_KEYS`     | wrapped data keys, deletable: destroying one is for good  |
//! | `OI_SUBMISSIONS` | commands of producers (work queue)                     |
//! | `OI_REJECTIONS` | what was refused, the newest                              |
//! | `OI_FEED`     | events for other services, derived from the log           |
//! | `OBJ_OI_SNAPSHOTS` | a cache of folded states                             |
//!
//! [`Journal::append`] carries the expected last sequence, so that of several
//! deciders one wins each position. [`Follower`] and [`Queue`] survive restarts of
//! the broker: their `next` waits until it is back.

mod append;
mod connect;
mod credentials;
mod edge;
mod import;
mod intake;
mod keys;
mod message;
mod queue;
mod read;
mod request;
mod snapshot;
mod streams;
#[cfg(feature = "testing")]
pub mod testing;

pub use append::{AppendError, TailError};
pub use connect::{ConnectError, Journal, JournalConfig};
pub use credentials::{Credentials, CredentialsError, make_nkey};
pub use edge::{CLOUD_EVENT_ID, EdgeError, FeedMessage, Submission};
pub use import::ImportError;
pub use intake::Asked;
pub use keys::KeyStoreError;
pub use message::{Entry, MessageError, StoredCommit, kinds, subject_of};
pub use queue::{DeadLettered, Delivered, EnqueueError, Enqueued, Queue, QueueError};
pub use read::{Follower, ReadError, Replay};
pub use request::RequestError;
pub use snapshot::SnapshotError;
pub use streams::SetupError;
