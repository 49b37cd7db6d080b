//! The broker's clock: that of the server which leads the log's stream. The same answer says how
//! large the log is.

use crate::connection::{BoxError, Connection};
use crate::streams::EVENTS;
use async_nats::datetime::parse_rfc3339;
use async_nats::jetstream::response::Response;
use std::sync::Arc;

/// Why it is not known what the broker's clock shows.
#[derive(Debug, thiserror::Error)]
pub enum BrokerClockError {
    /// The broker does not answer.
    #[error("the broker does not say what time it is")]
    Ask(#[source] BoxError),
    /// The answer has no time.
    #[error("the broker's answer «{told}» is no time")]
    Read {
        /// The answer.
        told: String,
        /// What is wrong.
        #[source]
        source: BoxError,
    },
}

/// What is read of an answer about a stream.
#[derive(serde::Deserialize)]
struct StreamInfo {
    /// The time of the answer, RFC 3339.
    ts: String,
    state: StreamState,
    config: StreamConfig,
}

#[derive(serde::Deserialize)]
struct StreamState {
    bytes: u64,
}

#[derive(serde::Deserialize)]
struct StreamConfig {
    /// Not positive where there is no limit.
    max_bytes: i64,
}

/// What the broker says of the log and of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerLook {
    /// What its clock shows, Unix milliseconds.
    pub now_ms: u64,
    /// How large the log is.
    pub log_bytes: u64,
    /// How large it may become; none where nothing limits it.
    pub log_limit_bytes: Option<u64>,
}

/// Reads the broker's clock. Clones share a connection.
#[derive(Clone)]
pub struct BrokerClock(Arc<Connection>);

impl BrokerClock {
    pub(crate) fn new(connection: Arc<Connection>) -> BrokerClock {
        BrokerClock(connection)
    }

    /// What it shows now, and how large the log is.
    ///
    /// # Errors
    /// When the broker does not answer, or not with a time.
    pub async fn look(&self) -> Result<BrokerLook, BrokerClockError> {
        let request = self.0.context.request(format!("STREAM.INFO.{EVENTS}"), &());
        let answer: Response<StreamInfo> =
            request.await.map_err(|e| BrokerClockError::Ask(e.into()))?;
        let info = match answer {
            Response::Ok(info) => info,
            Response::Err { error } => return Err(BrokerClockError::Ask(error.into())),
        };
        let told = info.ts;
        let read = parse_rfc3339(&told)
            .and_then(|time| Ok(u64::try_from(time.unix_timestamp_nanos() / 1_000_000)?));
        let now_ms = read.map_err(|source| BrokerClockError::Read { told, source })?;
        let log_limit_bytes = match u64::try_from(info.config.max_bytes) {
            Ok(0) | Err(_) => None,
            Ok(limit) => Some(limit),
        };
        Ok(BrokerLook { now_ms, log_bytes: info.state.bytes, log_limit_bytes })
    }
}
