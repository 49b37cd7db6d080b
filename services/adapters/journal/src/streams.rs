//! Setting up streams: made where absent, compared where present, never changed.

use crate::connect::Journal;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{
    Config, ConsumerError, DiscardPolicy, InfoError, RetentionPolicy, StorageType,
};
use async_nats::jetstream::{context, object_store};
use std::time::Duration;

pub(crate) const EVENTS: &str = "OI_EVENTS";
pub(crate) const COMMANDS: &str = "OI_COMMANDS";
pub(crate) const JOBS: &str = "OI_JOBS";
pub(crate) const ADVISORIES: &str = "OI_ADVISORIES";
pub(crate) const KEYS: &str = "OI_KEYS";
pub(crate) const SNAPSHOTS: &str = "OI_SNAPSHOTS";
pub(crate) const SUBMISSIONS: &str = "OI_SUBMISSIONS";
pub(crate) const REJECTIONS: &str = "OI_REJECTIONS";
pub(crate) const FEED: &str = "OI_FEED";
pub(crate) const GATEWAY: &str = "gateway";
pub(crate) const DECIDER: &str = "decider";
pub(crate) const WORKER: &str = "worker";

/// After so many deliveries without any outcome a job is given up.
const MAX_DELIVERIES: i64 = 20;
/// More submissions than this are refused by the broker until some are decided.
const MAX_SUBMISSIONS: i64 = 100_000;
const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// Why the streams are not usable.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A stream is not as this release needs it.
    #[error(
        "stream {stream} differs from what oi needs: {}. oi never changes or recreates a stream: \
         put the setting back, or move the stream away",
        .differences.join("; ")
    )]
    Drift {
        /// Which one.
        stream: String,
        /// `field: is X, must be Y`.
        differences: Vec<String>,
    },
    /// A stream cannot be made.
    #[error("cannot make stream {stream}")]
    Create {
        /// Which one.
        stream: String,
        /// Why.
        #[source]
        source: context::CreateStreamError,
    },
    /// A stream cannot be looked at.
    #[error("cannot look at stream {stream}")]
    Look {
        /// Which one.
        stream: String,
        /// Why.
        #[source]
        source: context::GetStreamError,
    },
    /// A stream's settings cannot be read.
    #[error("cannot look at stream {stream}")]
    Info {
        /// Which one.
        stream: String,
        /// Why.
        #[source]
        source: InfoError,
    },
    /// A settings structure has no JSON form.
    #[error("cannot compare the settings of stream {stream}")]
    Compare {
        /// Which one.
        stream: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A consumer cannot be made.
    #[error("cannot make the consumer {consumer}")]
    Consumer {
        /// Which one.
        consumer: &'static str,
        /// Why.
        #[source]
        source: ConsumerError,
    },
    /// The snapshot bucket cannot be made.
    #[error("cannot make the bucket {SNAPSHOTS}")]
    Snapshots(#[source] context::CreateObjectStoreError),
}

fn base(name: &str, subjects: &[&str], description: &str, replicas: usize) -> Config {
    Config {
        name: name.to_owned(),
        subjects: subjects.iter().map(|&s| s.to_owned()).collect(),
        description: Some(description.to_owned()),
        storage: StorageType::File,
        num_replicas: replicas,
        discard: DiscardPolicy::New,
        duplicate_window: Duration::from_secs(120),
        ..Config::default()
    }
}

/// What each stream must be.
pub(crate) fn wanted(replicas: usize) -> [Config; 8] {
    const GIB: i64 = 1 << 30;
    [
        Config {
            retention: RetentionPolicy::Limits,
            max_bytes: 32 * GIB,
            deny_delete: true,
            deny_purge: true,
            allow_direct: true,
            ..base(EVENTS, &["oi.events.>"], "oi: what has happened; the only truth", replicas)
        },
        Config {
            retention: RetentionPolicy::WorkQueue,
            max_bytes: 4 * GIB,
            ..base(
                COMMANDS,
                &["oi.commands.>"],
                "oi: what was asked, until it is decided",
                replicas,
            )
        },
        Config {
            retention: RetentionPolicy::WorkQueue,
            max_bytes: GIB,
            // At most one message for each job, however many deciders offer it.
            max_messages_per_subject: 1,
            discard_new_per_subject: true,
            ..base(JOBS, &["oi.jobs.>"], "oi: work that is owed; rebuilt from the state", replicas)
        },
        Config {
            retention: RetentionPolicy::Limits,
            max_bytes: GIB,
            max_messages_per_subject: 1,
            discard_new_per_subject: true,
            ..base(KEYS, &["oi.keys.>"], "oi: wrapped data keys, deletable for good", replicas)
        },
        Config {
            retention: RetentionPolicy::WorkQueue,
            max_bytes: GIB / 16,
            ..base(
                ADVISORIES,
                &["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.OI_JOBS.>"],
                "oi: the broker's word on jobs it gave up",
                replicas,
            )
        },
        Config {
            retention: RetentionPolicy::WorkQueue,
            max_bytes: GIB,
            max_messages: MAX_SUBMISSIONS,
            ..base(
                SUBMISSIONS,
                &["oi.submit.*.*", "oi.submit.*.*.*"],
                "oi: commands of producers; the last token names who may publish there",
                replicas,
            )
        },
        Config {
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            max_bytes: GIB / 16,
            max_age: MONTH,
            ..base(REJECTIONS, &["oi.rejections"], "oi: what was refused, the newest", replicas)
        },
        Config {
            retention: RetentionPolicy::Limits,
            discard: DiscardPolicy::Old,
            max_bytes: 8 * GIB,
            allow_atomic_publish: true,
            ..base(FEED, &["oi.feed.>"], "oi: events for others; rebuilt from the log", replicas)
        },
    ]
}

/// Fields whose live value is not the wanted one, as `field: is X, must be Y`.
fn differences(wanted: &Config, live: &Config) -> Result<Vec<String>, serde_json::Error> {
    let (wanted, live) = (serde_json::to_value(wanted)?, serde_json::to_value(live)?);
    let null = serde_json::Value::Null;
    let fields = [
        "subjects",
        "retention",
        "storage",
        "discard",
        "discard_new_per_subject",
        "max_bytes",
        "max_msgs",
        "max_msgs_per_subject",
        "max_age",
        "max_msg_size",
        "num_replicas",
        "duplicate_window",
        "deny_delete",
        "deny_purge",
        "allow_direct",
        "no_ack",
        "sealed",
        "mirror",
        "sources",
        "persist_mode",
        "allow_atomic",
    ];
    // The server leaves some unset fields out, or fills in its own word for "none".
    let unset = |v: &serde_json::Value| {
        v.is_null()
            || *v == false
            || *v == 0
            || *v == -1
            || *v == "default"
            || v.as_array().is_some_and(Vec::is_empty)
    };
    Ok(fields
        .into_iter()
        .filter_map(|field| {
            let (want, have) =
                (wanted.get(field).unwrap_or(&null), live.get(field).unwrap_or(&null));
            let same = want == have || (unset(want) && unset(have));
            (!same).then(|| format!("{field}: is {have}, must be {want}"))
        })
        .collect())
}

impl Journal {
    /// Makes what is absent and compares what is present. Waits for brokers that are
    /// choosing a leader, as long as for a connection.
    ///
    /// # Errors
    /// [`SetupError::Drift`] names each difference; nothing is changed then.
    pub async fn ensure_streams(&self) -> Result<(), SetupError> {
        let deadline = tokio::time::Instant::now() + self.config.connect_timeout;
        loop {
            match self.try_ensure_streams().await {
                Ok(()) => return Ok(()),
                Err(drift @ SetupError::Drift { .. }) => return Err(drift),
                Err(error) if tokio::time::Instant::now() >= deadline => return Err(error),
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "streams are not usable yet"
                    );
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    async fn try_ensure_streams(&self) -> Result<(), SetupError> {
        for config in wanted(self.config.replicas) {
            self.ensure_stream(config).await?;
        }
        self.ensure_snapshots().await?;
        self.command_consumer().await?;
        self.job_consumer().await?;
        self.advisory_consumer().await?;
        self.submission_consumer().await?;
        Ok(())
    }

    async fn ensure_stream(&self, config: Config) -> Result<(), SetupError> {
        let stream = config.name.clone();
        let live = match self.context.get_stream(&stream).await {
            Ok(live) => live.cached_info().config.clone(),
            Err(e) if is_not_found(&e) => {
                match self.context.create_stream(&config).await {
                    Ok(made) => made.cached_info().config.clone(),
                    // Another process was first, perhaps with other settings.
                    Err(source) => match self.context.get_stream(&stream).await {
                        Ok(live) => live.cached_info().config.clone(),
                        Err(_) => return Err(SetupError::Create { stream, source }),
                    },
                }
            }
            Err(source) => return Err(SetupError::Look { stream, source }),
        };
        let differences = differences(&config, &live)
            .map_err(|source| SetupError::Compare { stream: stream.clone(), source })?;
        if differences.is_empty() { Ok(()) } else { Err(SetupError::Drift { stream, differences }) }
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

    async fn consumer(
        &self,
        stream: &str,
        name: &'static str,
        config: pull::Config,
    ) -> Result<async_nats::jetstream::consumer::PullConsumer, SetupError> {
        let stream = self
            .context
            .get_stream(stream)
            .await
            .map_err(|source| SetupError::Look { stream: stream.to_owned(), source })?;
        stream
            .get_or_create_consumer(
                name,
                pull::Config {
                    durable_name: Some(name.to_owned()),
                    ack_policy: AckPolicy::Explicit,
                    ..config
                },
            )
            .await
            .map_err(|source| SetupError::Consumer { consumer: name, source })
    }

    pub(crate) async fn command_consumer(
        &self,
    ) -> Result<async_nats::jetstream::consumer::PullConsumer, SetupError> {
        let config = pull::Config {
            ack_wait: Duration::from_secs(5),
            max_ack_pending: 1024,
            ..pull::Config::default()
        };
        self.consumer(COMMANDS, DECIDER, config).await
    }

    pub(crate) async fn job_consumer(
        &self,
    ) -> Result<async_nats::jetstream::consumer::PullConsumer, SetupError> {
        let config = pull::Config {
            ack_wait: self.config.job_ack_wait,
            max_deliver: MAX_DELIVERIES,
            max_ack_pending: 4096,
            ..pull::Config::default()
        };
        self.consumer(JOBS, WORKER, config).await
    }

    pub(crate) async fn submission_consumer(
        &self,
    ) -> Result<async_nats::jetstream::consumer::PullConsumer, SetupError> {
        let config = pull::Config {
            // What a gateway that died had in hand stands still for so long.
            ack_wait: Duration::from_secs(5),
            max_ack_pending: 1024,
            ..pull::Config::default()
        };
        self.consumer(SUBMISSIONS, GATEWAY, config).await
    }

    pub(crate) async fn advisory_consumer(
        &self,
    ) -> Result<async_nats::jetstream::consumer::PullConsumer, SetupError> {
        self.consumer(ADVISORIES, DECIDER, pull::Config::default()).await
    }
}

fn is_not_found(error: &context::GetStreamError) -> bool {
    use async_nats::jetstream::ErrorCode;
    matches!(error.kind(), context::GetStreamErrorKind::JetStream(e)
        if e.error_code() == ErrorCode::STREAM_NOT_FOUND)
}
