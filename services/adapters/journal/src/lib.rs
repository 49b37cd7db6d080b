//! The event log on NATS JetStream and the queues around it. The only user of async-nats.
//!
//! | stream             | contents                                                          |
//! |--------------------|-------------------------------------------------------------------|
//! | `OI_EVENTS`        | the log: a message holds one commit, or several that were decided together; never deleted |
//! | `OI_COMMANDS`      | commands that wait for a decision (work queue)                    |
//! | `OI_JOBS`          | jobs that wait for a worker, at most one message per job (work queue) |
//! | `OI_ADVISORIES`    | the broker's notices of jobs that it gave up                      |
//! | `OI_KEYS`          | wrapped data keys; deleting one is final                          |
//! | `OI_SUBMISSIONS`   | commands of producers (work queue)                                |
//! | `OI_REJECTIONS`    | the newest rejections                                             |
//! | `OI_FEED`          | events for other services, derived from the log                   |
//! | `OBJ_OI_SNAPSHOTS` | a cache of folded states                                          |
//!
//! [`Journal`] is the connection. It gives out handles, each of which can do one thing:
//!
//! | handle            | what its holder may do                                            |
//! |-------------------|-------------------------------------------------------------------|
//! | [`Log`]           | read the log                                                      |
//! | [`Appender`]      | append to the log and look at its end                             |
//! | [`Importer`]      | restore a log and its wrapped keys to an empty broker             |
//! | [`CommandClient`] | ask for a decision and wait for it                                |
//! | [`CommandOutbox`] | store a command without waiting for its decision                  |
//! | [`CommandInbox`]  | take commands and answer them                                     |
//! | [`JobQueue`]      | enqueue jobs and remove dead-lettered ones                        |
//! | [`JobInbox`]      | take jobs                                                         |
//! | [`KeyStore`]      | read, store and destroy wrapped keys                              |
//! | [`WrappedKeys`]   | list and read wrapped keys                                        |
//! | [`Submissions`]   | take commands of producers and answer them                        |
//! | [`Rejections`]    | record and list rejections                                        |
//! | [`Feed`]          | extend the feed                                                   |
//! | [`SnapshotStore`] | store and load snapshots                                          |
//!
//! Composition roots hold the [`Journal`] and pass handles on;
//! `tests/tests/architecture.rs` checks which crate may name which handle.
//!
//! [`Appender::append_all`] carries the expected last sequence, so one of several deciders
//! wins each position. [`Follower`] and [`Queue`] survive restarts of the broker: their
//! `next` waits until it is back.

mod appender;
mod broker_clock;
mod command_client;
mod command_inbox;
mod command_outbox;
mod connect;
mod connection;
mod credentials;
mod feed;
mod follower;
mod importer;
mod job_inbox;
mod job_queue;
mod journal;
mod key_store;
mod log;
mod message;
mod queue;
mod rejections;
mod replay;
mod snapshot;
mod streams;
mod subjects;
mod submissions;
mod tail;
#[cfg(feature = "testing")]
pub mod testing;

pub use appender::{AppendError, Appender};
pub use broker_clock::{BrokerClock, BrokerClockError, BrokerLook};
pub use command_client::{CommandClient, RequestError};
pub use command_inbox::{AnswerError, Asked, CommandInbox};
pub use command_outbox::{CommandOutbox, SubmitError};
pub use connect::{ConnectError, JournalConfig};
pub use credentials::{Credentials, CredentialsError, make_nkey};
pub use feed::{CLOUD_EVENT_ID, Feed, FeedEnd, FeedError, FeedMessage};
pub use follower::{CHECKS, Follower};
pub use importer::{ImportError, Importer};
pub use job_inbox::JobInbox;
pub use job_queue::{DeadLettered, Enqueued, JobQueue, JobQueueError};
pub use journal::Journal;
pub use key_store::{KeyStore, KeyStoreError, WrappedKeys};
pub use log::{Log, PUT_BACK, ReadError};
pub use message::{Entry, MessageError, StoredCommit, kinds, subject_of};
pub use queue::{Delivered, Queue, QueueError};
pub use rejections::{Rejections, RejectionsError};
pub use replay::Replay;
pub use snapshot::{SnapshotError, SnapshotStore};
pub use streams::SetupError;
pub use submissions::{Submission, Submissions, SubmissionsError};
pub use tail::TailError;
