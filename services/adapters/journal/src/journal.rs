//! The connection, and the handles that it gives out.

use crate::connect::{ConnectError, JournalConfig, connect};
use crate::connection::Connection;
use crate::streams::SetupError;
use crate::{
    Appender, BrokerClock, CommandClient, CommandInbox, CommandOutbox, Feed, Importer, JobInbox,
    JobQueue, KeyStore, Log, Rejections, SnapshotStore, Submissions, WrappedKeys,
};
use std::sync::Arc;

/// A connection to the broker, which gives out handles. For composition roots: what a role
/// needs of it is passed on as handles. Cheap to clone.
#[derive(Clone)]
pub struct Journal(Arc<Connection>);

macro_rules! handles {
    ($( $(#[$doc:meta])* $name:ident => $handle:ident, )*) => {
        impl Journal { $(
            $(#[$doc])*
            pub fn $name(&self) -> $handle {
                $handle::new(self.0.clone())
            }
        )* }
    };
}

handles! {
    /// Reads the log.
    log => Log,
    /// Appends to the log.
    appender => Appender,
    /// Reads the broker's clock.
    broker_clock => BrokerClock,
    /// Restores a log to an empty broker.
    importer => Importer,
    /// Asks for decisions.
    command_client => CommandClient,
    /// Stores commands without waiting for their decision.
    command_outbox => CommandOutbox,
    /// Takes commands and answers them.
    command_inbox => CommandInbox,
    /// Enqueues jobs.
    job_queue => JobQueue,
    /// Takes jobs.
    job_inbox => JobInbox,
    /// Reads, stores and destroys wrapped keys.
    key_store => KeyStore,
    /// Lists and reads wrapped keys.
    wrapped_keys => WrappedKeys,
    /// Takes commands of producers.
    submissions => Submissions,
    /// Records and lists rejections.
    rejections => Rejections,
    /// Extends the feed.
    feed => Feed,
    /// Stores and loads snapshots.
    snapshots => SnapshotStore,
}

impl Journal {
    /// Connects, and waits for a broker that is still starting. A connection that is lost
    /// later is re-established without end.
    ///
    /// # Errors
    /// When nothing answers in time, when the broker refuses the credentials, or when it is
    /// unsuitable: too old, or without JetStream.
    pub async fn connect(config: JournalConfig) -> Result<Journal, ConnectError> {
        connect(config).await.map(Journal)
    }

    /// Creates the streams and consumers that are missing and compares the others. Waits for
    /// brokers that are electing a leader, as long as for a connection.
    ///
    /// # Errors
    /// [`SetupError::Drift`] names each setting that differs; the stream is left unchanged.
    pub async fn ensure_streams(&self) -> Result<(), SetupError> {
        self.0.ensure_streams().await
    }
}
