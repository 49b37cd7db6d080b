//! The durable consumers of the queues.

use super::{ADVISORIES, COMMANDS, JOBS, SUBMISSIONS, SetupError};
use crate::connect::JournalConfig;
use crate::connection::Connection;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use std::time::Duration;

/// After this many deliveries without an outcome a job is given up.
const MAX_DELIVERIES: i64 = 20;

/// A consumer that all processes of a role share. Zero means the broker's default.
pub(crate) struct Consumer {
    stream: &'static str,
    name: &'static str,
    /// How long a message may stay unacknowledged before it is delivered again.
    ack_wait: fn(&JournalConfig) -> Duration,
    max_deliver: i64,
    max_ack_pending: i64,
}

/// Stored commands, for deciders.
pub(crate) static COMMAND_CONSUMER: Consumer = Consumer {
    stream: COMMANDS,
    name: "decider",
    ack_wait: |_| Duration::from_secs(5),
    max_deliver: 0,
    max_ack_pending: 1024,
};

/// Jobs, for workers.
pub(crate) static JOB_CONSUMER: Consumer = Consumer {
    stream: JOBS,
    name: "worker",
    ack_wait: |config| config.job_ack_wait,
    max_deliver: MAX_DELIVERIES,
    max_ack_pending: 4096,
};

/// Jobs that the broker gave up, for deciders.
pub(crate) static ADVISORY_CONSUMER: Consumer = Consumer {
    stream: ADVISORIES,
    name: "decider",
    ack_wait: |_| Duration::ZERO,
    max_deliver: 0,
    max_ack_pending: 0,
};

/// Commands of producers, for gateways.
pub(crate) static SUBMISSION_CONSUMER: Consumer = Consumer {
    stream: SUBMISSIONS,
    name: "gateway",
    // What a gateway held when it died is delayed for this long.
    ack_wait: |_| Duration::from_secs(5),
    max_deliver: 0,
    max_ack_pending: 1024,
};

pub(super) static CONSUMERS: [&Consumer; 4] =
    [&COMMAND_CONSUMER, &JOB_CONSUMER, &ADVISORY_CONSUMER, &SUBMISSION_CONSUMER];

impl Connection {
    /// Opens a consumer, and creates it if it is missing.
    pub async fn consumer(&self, consumer: &Consumer) -> Result<PullConsumer, SetupError> {
        let name = consumer.name;
        let stream = self
            .context
            .get_stream(consumer.stream)
            .await
            .map_err(|source| SetupError::Look { stream: consumer.stream.to_owned(), source })?;
        let config = pull::Config {
            durable_name: Some(name.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: (consumer.ack_wait)(&self.config),
            max_deliver: consumer.max_deliver,
            max_ack_pending: consumer.max_ack_pending,
            ..pull::Config::default()
        };
        stream
            .get_or_create_consumer(name, config)
            .await
            .map_err(|source| SetupError::Consumer { consumer: name, source })
    }
}
