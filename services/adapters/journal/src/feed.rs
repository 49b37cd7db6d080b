//! The feed of events for other services. What is in them is the gateway's concern; here they
//! are bytes.

use crate::connection::{BoxError, Connection};
use crate::streams::FEED;
use async_nats::HeaderMap;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use std::sync::Arc;

/// The header that names an event of the feed, as CloudEvents defines it.
pub const CLOUD_EVENT_ID: &str = "ce-id";

/// Why the feed was not read or extended.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The end of the feed cannot be read.
    #[error("the broker does not return the end of the feed")]
    End(#[source] BoxError),
    /// The next events were not stored, as far as is known.
    #[error("the broker did not store the feed's next events")]
    Extend(#[source] BoxError),
}

/// An event for other services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedMessage {
    /// A subject below `oi.feed`.
    pub subject: String,
    /// Its CloudEvents attributes, `ce-id` among them.
    pub headers: Vec<(&'static str, String)>,
    /// Protobuf.
    pub payload: Vec<u8>,
}

impl FeedMessage {
    fn header_map(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.insert(*name, value.as_str());
        }
        headers
    }
}

/// The end of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEnd {
    /// Its last sequence, 0 if it is empty.
    pub sequence: u64,
    /// The id of the event there.
    pub id: Option<String>,
}

/// Extends the feed. Clones share a connection.
#[derive(Clone)]
pub struct Feed(Arc<Connection>);

impl Feed {
    pub(crate) fn new(connection: Arc<Connection>) -> Feed {
        Feed(connection)
    }

    /// The end of the feed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn end(&self) -> Result<FeedEnd, FeedError> {
        let stream = self.0.context.get_stream_no_info(FEED).await;
        let stream = stream.map_err(|e| FeedError::End(e.into()))?;
        match stream.get_last_raw_message_by_subject(">").await {
            Ok(StreamMessage { sequence, headers, .. }) => {
                let id = headers.get(CLOUD_EVENT_ID).map(|v| v.as_str().to_owned());
                Ok(FeedEnd { sequence, id })
            }
            Err(e) if e.kind() == LastRawMessageErrorKind::NoMessageFound => {
                Ok(FeedEnd { sequence: 0, id: None })
            }
            Err(e) => Err(FeedError::End(e.into())),
        }
    }

    /// Adds events to the feed after its message `after`: all or none.
    ///
    /// # Errors
    /// When the feed ends elsewhere by now, or the broker did not confirm that they are
    /// stored: read the end again.
    pub async fn extend(&self, events: &[FeedMessage], after: u64) -> Result<(), FeedError> {
        let extended = match events {
            [event] => self.extend_by_one(event, after).await,
            _ => self.extend_by_batch(events, after).await,
        };
        extended.map_err(FeedError::Extend)
    }

    async fn extend_by_one(&self, event: &FeedMessage, after: u64) -> Result<(), BoxError> {
        let message = PublishMessage::build()
            .headers(event.header_map())
            .payload(event.payload.clone().into())
            .expected_last_sequence(after);
        self.0.store(event.subject.clone(), message).await?;
        Ok(())
    }

    /// One write to the disk for all of them (NATS ADR-50).
    async fn extend_by_batch(&self, events: &[FeedMessage], after: u64) -> Result<(), BoxError> {
        let batch = format!("{}-{after}", self.0.client.new_inbox());
        for (n, event) in events.iter().enumerate() {
            let mut headers = event.header_map();
            headers.insert("Nats-Batch-Id", &batch[batch.len().saturating_sub(60)..]);
            headers.insert("Nats-Batch-Sequence", (n + 1).to_string());
            if n == 0 {
                headers.insert("Nats-Expected-Last-Sequence", after.to_string());
            }
            let (subject, payload) = (event.subject.clone(), event.payload.clone().into());
            if n + 1 < events.len() {
                self.0.client.publish_with_headers(subject, headers, payload).await?;
                continue;
            }
            headers.insert("Nats-Batch-Commit", "1");
            let message = PublishMessage::build().headers(headers).payload(payload);
            self.0.store(subject, message).await?;
        }
        Ok(())
    }
}
