//! The broker's clock: that of the server which leads the log's stream.

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
}

/// Reads the broker's clock. Clones share a connection.
#[derive(Clone)]
pub struct BrokerClock(Arc<Connection>);

impl BrokerClock {
    pub(crate) fn new(connection: Arc<Connection>) -> BrokerClock {
        BrokerClock(connection)
    }

    /// What it shows now, Unix milliseconds.
    ///
    /// # Errors
    /// When the broker does not answer, or not with a time.
    pub async fn now_ms(&self) -> Result<u64, BrokerClockError> {
        let request = self.0.context.request(format!("STREAM.INFO.{EVENTS}"), &());
        let answer: Response<StreamInfo> =
            request.await.map_err(|e| BrokerClockError::Ask(e.into()))?;
        let told = match answer {
            Response::Ok(info) => info.ts,
            Response::Err { error } => return Err(BrokerClockError::Ask(error.into())),
        };
        let read = parse_rfc3339(&told)
            .and_then(|time| Ok(u64::try_from(time.unix_timestamp_nanos() / 1_000_000)?));
        read.map_err(|source| BrokerClockError::Read { told, source })
    }
}
