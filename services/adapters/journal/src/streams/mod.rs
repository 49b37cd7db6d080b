//! Setting up streams and consumers: created if missing, compared if present, never changed.

mod consumers;
mod drift;
mod table;

pub(crate) use consumers::{
    ADVISORY_CONSUMER, COMMAND_CONSUMER, Consumer, JOB_CONSUMER, SUBMISSION_CONSUMER,
};

use crate::connection::Connection;
use async_nats::jetstream::stream::{Config, ConsumerError};
use async_nats::jetstream::{ErrorCode, context, object_store};
use consumers::CONSUMERS;
use std::error::Error;
use std::time::Duration;
use table::STREAMS;
use tokio::time::Instant;

pub(crate) const EVENTS: &str = "OI_EVENTS";
pub(crate) const COMMANDS: &str = "OI_COMMANDS";
pub(crate) const JOBS: &str = "OI_JOBS";
pub(crate) const ADVISORIES: &str = "OI_ADVISORIES";
pub(crate) const KEYS: &str = "OI_KEYS";
pub(crate) const SNAPSHOTS: &str = "OI_SNAPSHOTS";
pub(crate) const SUBMISSIONS: &str = "OI_SUBMISSIONS";
pub(crate) const REJECTIONS: &str = "OI_REJECTIONS";
pub(crate) const FEED: &str = "OI_FEED";

/// Why the streams are not usable.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A stream is not as this release needs it.
    #[error(
        "stream {stream} differs from what oi needs: {}. oi never changes or recreates a stream: \
         restore the setting, or move the stream away",
        .differences.join("; ")
    )]
    Drift {
        /// The stream.
        stream: String,
        /// `field: is X, must be Y`.
        differences: Vec<String>,
    },
    /// A stream cannot be created.
    #[error("cannot create stream {stream}")]
    Create {
        /// The stream.
        stream: String,
        /// Why.
        #[source]
        source: context::CreateStreamError,
    },
    /// A stream cannot be looked at.
    #[error("cannot look at stream {stream}")]
    Look {
        /// The stream.
        stream: String,
        /// Why.
        #[source]
        source: context::GetStreamError,
    },
    /// A stream's settings have no JSON form.
    #[error("cannot compare the settings of stream {stream}")]
    Compare {
        /// The stream.
        stream: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A consumer cannot be created.
    #[error("cannot create the consumer {consumer}")]
    Consumer {
        /// The consumer.
        consumer: &'static str,
        /// Why.
        #[source]
        source: ConsumerError,
    },
    /// The snapshot bucket cannot be created.
    #[error("cannot create the bucket {SNAPSHOTS}")]
    Snapshots(#[source] context::CreateObjectStoreError),
}

impl Connection {
    /// Creates the streams and consumers that are missing and compares the others. Waits for
    /// brokers that are electing a leader, as long as for a connection.
    pub async fn ensure_streams(&self) -> Result<(), SetupError> {
        let deadline = Instant::now() + self.config.connect_timeout;
        loop {
            match self.try_ensure_streams().await {
                Ok(()) => return Ok(()),
                Err(drift @ SetupError::Drift { .. }) => return Err(drift),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn Error, "streams are not usable yet");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    async fn try_ensure_streams(&self) -> Result<(), SetupError> {
        for stream in &STREAMS {
            self.ensure_stream(stream.config(self.config.replicas)).await?;
        }
        self.ensure_snapshots().await?;
        for consumer in CONSUMERS {
            self.consumer(consumer).await?;
        }
        Ok(())
    }

    async fn ensure_stream(&self, wanted: Config) -> Result<(), SetupError> {
        let live = self.stream(&wanted).await?;
        let stream = wanted.name.clone();
        match drift::differences(&wanted, &live, later_settings(&stream)) {
            Ok(differences) if differences.is_empty() => Ok(()),
            Ok(differences) => Err(SetupError::Drift { stream, differences }),
            Err(source) => Err(SetupError::Compare { stream, source }),
        }
    }

    /// The live settings of a stream, which is created if it is missing.
    async fn stream(&self, wanted: &Config) -> Result<Config, SetupError> {
        let stream = wanted.name.clone();
        match self.context.get_stream(&stream).await {
            Ok(live) => return Ok(live.cached_info().config.clone()),
            Err(e) if is_not_found(&e) => {}
            Err(source) => return Err(SetupError::Look { stream, source }),
        }
        match self.context.create_stream(wanted).await {
            Ok(created) => Ok(created.cached_info().config.clone()),
            // Another process was first, perhaps with other settings.
            Err(source) => match self.context.get_stream(&stream).await {
                Ok(live) => Ok(live.cached_info().config.clone()),
                Err(_) => Err(SetupError::Create { stream, source }),
            },
        }
    }

    async fn ensure_snapshots(&self) -> Result<(), SetupError> {
        if self.context.get_object_store(SNAPSHOTS).await.is_err() {
            let config = object_store::Config {
                bucket: SNAPSHOTS.to_owned(),
                description: Some("oi: a cache of folded states".to_owned()),
                num_replicas: self.config.replicas,
                ..object_store::Config::default()
            };
            self.context.create_object_store(config).await.map_err(SetupError::Snapshots)?;
        }
        Ok(())
    }
}

/// Settings that a stream of an older release has not: it may be used without them.
fn later_settings(stream: &str) -> &'static [&'static str] {
    match stream {
        SUBMISSIONS => &["max_msgs_per_subject", "discard_new_per_subject"],
        _ => &[],
    }
}

fn is_not_found(error: &context::GetStreamError) -> bool {
    matches!(error.kind(), context::GetStreamErrorKind::JetStream(e)
        if e.error_code() == ErrorCode::STREAM_NOT_FOUND)
}
