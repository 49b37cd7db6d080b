//! Connecting to the broker.

use crate::connection::Connection;
use crate::credentials::{Credentials, CredentialsError};
use async_nats::ConnectOptions;
use async_nats::jetstream;
use oi_events::parsed;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Older releases report lost acknowledgements and conflicts differently: see `appender`.
const FLOOR: (u32, u32) = (2, 12);
/// The broker must take messages of this size: the largest is a batch that was not full yet, with
/// a commit of [`Entry::LARGEST`](crate::Entry::LARGEST).
const PAYLOAD: usize = 1024 * 1024;
/// How long the broker may take to answer a request.
const ANSWER: Duration = Duration::from_secs(5);

/// Where the broker is and how streams are created.
#[derive(Debug, Clone)]
pub struct JournalConfig {
    /// `nats://host:port`, several separated by commas.
    pub url: String,
    /// The connection's name, as the broker's monitoring shows it.
    pub name: String,
    /// How this process authenticates.
    pub credentials: Credentials,
    /// Replicas of each stream.
    pub replicas: usize,
    /// How long a worker may be silent about a job.
    pub job_ack_wait: Duration,
    /// How long to wait for a broker that does not answer yet.
    pub connect_timeout: Duration,
}

impl JournalConfig {
    /// One replica and short waits, for the broker at `url`.
    pub fn new(url: &str, name: &str) -> Self {
        JournalConfig {
            url: url.to_owned(),
            name: name.to_owned(),
            credentials: Credentials::default(),
            replicas: 1,
            job_ack_wait: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(30),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The credentials cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The broker does not know this process.
    #[error(
        "the broker at {url} refuses these credentials: is the public key of this role's nkey among the broker's users?"
    )]
    Rejected {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: async_nats::ConnectError,
    },
    /// The broker is not trusted.
    #[error("the broker at {url} has no certificate of the given CA, or does not speak TLS")]
    Tls {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: async_nats::ConnectError,
    },
    /// Nothing answers.
    #[error("the broker at {url} does not answer: is nats-server running there?")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: async_nats::ConnectError,
    },
    /// The broker is too old to be safe.
    #[error(
        "the broker at {url} is nats-server {version}; oi needs {}.{} or later, which checks sequences before duplicates",
        FLOOR.0, FLOOR.1
    )]
    TooOld {
        /// Where.
        url: String,
        /// The version that it reports.
        version: String,
    },
    /// The broker takes only messages that are too small.
    #[error(
        "the broker at {url} takes messages of at most {max_payload} bytes; oi needs {PAYLOAD}: set max_payload as in oi's nats.conf"
    )]
    SmallPayload {
        /// Where.
        url: String,
        /// What it takes, bytes.
        max_payload: usize,
    },
    /// No JetStream.
    #[error("the broker at {url} has JetStream disabled: start it with oi's nats.conf")]
    NoJetStream {
        /// Where.
        url: String,
    },
}

impl ConnectError {
    fn of(url: &str, source: async_nats::ConnectError) -> ConnectError {
        use async_nats::ConnectErrorKind as Kind;
        let url = url.to_owned();
        match source.kind() {
            Kind::Authentication | Kind::AuthorizationViolation => {
                ConnectError::Rejected { url, source }
            }
            Kind::Tls => ConnectError::Tls { url, source },
            _ => ConnectError::Unreachable { url, source },
        }
    }
}

/// Whether a version such as `2.12.1` or `2.15.0-preview.1` is new enough.
fn is_new_enough(version: &str) -> bool {
    let mut parts = version.trim_start_matches('v').split(['.', '-']);
    let mut number = || parts.next().and_then(parsed::<u32>);
    match (number(), number()) {
        (Some(major), Some(minor)) => (major, minor) >= FLOOR,
        _ => false,
    }
}

fn options(config: &JournalConfig, count: watch::Sender<u64>) -> ConnectOptions {
    config
        .credentials
        .options()
        .name(&config.name)
        .connection_timeout(ANSWER)
        .request_timeout(Some(ANSWER))
        .reconnect_delay_callback(|attempts| Duration::from_millis((20 << attempts.min(5)) as u64))
        .event_callback(move |event| {
            if matches!(event, async_nats::Event::Connected) {
                count.send_modify(|n| *n += 1);
            }
            async move { tracing::info!(%event, "broker connection") }
        })
}

/// Connects, and waits for a broker that is still starting.
pub(crate) async fn connect(config: JournalConfig) -> Result<Arc<Connection>, ConnectError> {
    config.credentials.check()?;
    let deadline = tokio::time::Instant::now() + config.connect_timeout;
    let (count, mut connections) = watch::channel(0);
    let servers: Vec<String> = config.url.split(',').map(str::to_owned).collect();
    let client = loop {
        match options(&config, count.clone()).connect(servers.clone()).await {
            Ok(client) => break client,
            Err(source) if tokio::time::Instant::now() >= deadline => {
                return Err(ConnectError::of(&config.url, source));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let info = client.server_info();
    if !is_new_enough(&info.version) {
        return Err(ConnectError::TooOld { url: config.url, version: info.version });
    }
    if info.max_payload < PAYLOAD {
        return Err(ConnectError::SmallPayload { url: config.url, max_payload: info.max_payload });
    }
    if !info.jetstream {
        return Err(ConnectError::NoJetStream { url: config.url });
    }
    // Otherwise readers would take the first connection for a reconnect.
    let counted = connections.wait_for(|count| *count > 0);
    if !matches!(tokio::time::timeout(ANSWER, counted).await, Ok(Ok(_))) {
        tracing::warn!(
            "the broker did not confirm the connection in time: readers may open the log twice"
        );
    }
    let context = jetstream::context::ContextBuilder::new().timeout(ANSWER).build(client.clone());
    Ok(Arc::new(Connection { client, context, config, connections, tail: Default::default() }))
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_below_the_floor_are_refused() {
        for (version, fit) in [
            ("2.9.10", false),
            ("2.11.9", false),
            ("2.12.0", true),
            ("2.15.0-preview.1", true),
            ("3.0.0", true),
            ("", false),
        ] {
            assert_eq!(super::is_new_enough(version), fit, "{version}");
        }
    }
}
