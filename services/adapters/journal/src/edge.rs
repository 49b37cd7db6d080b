//! What passes between oi and other services: commands of producers, rejections, and the feed
//! of events. What is in them is the gateway's business; here it is bytes.

use crate::connect::Journal;
use crate::message::{MessageError, decode_command};
use crate::queue::Queue;
use crate::streams::{FEED, REJECTIONS};
use async_nats::HeaderMap;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind};
use bytes::Bytes;
use oi_events::CommandEnvelope;
use std::error::Error;

/// Where the outcome of a submission is to go.
const REPLY_TO: &str = "Oi-Reply-To";
const CONTENT_TYPE: &str = "Content-Type";
/// Each waits for a decision of its own.
const AHEAD: usize = 32;
/// Names an event of the feed, as CloudEvents has it.
pub const CLOUD_EVENT_ID: &str = "ce-id";

/// Why something was not exchanged with the broker.
#[derive(Debug, thiserror::Error)]
#[error("the broker does not {what}")]
pub struct EdgeError {
    what: &'static str,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

fn failed<E: Error + Send + Sync + 'static>(what: &'static str) -> impl Fn(E) -> EdgeError {
    move |e| EdgeError { what, source: Box::new(e) }
}

/// A message of a producer, not understood yet.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Who may publish on its subject: the subject's last token.
    pub producer: String,
    /// As what: the token after `oi.submit`.
    pub role: String,
    /// The tenant that it belongs to, if any: the token between these.
    pub tenant: Option<String>,
    /// What its payload is, in its own words.
    pub content_type: Option<String>,
    /// Where its outcome is to go.
    pub reply_to: Option<String>,
    /// The payload.
    pub payload: Bytes,
    headers: HeaderMap,
}

impl Submission {
    /// Reads it as a postcard command, whose kind and ids are in the headers.
    ///
    /// # Errors
    /// Where it is not one.
    pub fn postcard(&self) -> Result<CommandEnvelope, MessageError> {
        decode_command(&self.headers, &self.payload)
    }
}

/// An event for other services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedMessage {
    /// Below `oi.feed`.
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

impl Journal {
    /// The commands of producers, shared among all gateways.
    pub fn submissions(&self) -> Queue<Submission> {
        Queue::new(
            self,
            |j| Box::pin(j.submission_consumer()),
            |m| {
                let headers = m.headers.clone().unwrap_or_default();
                let text = |name: &str| headers.get(name).map(|v| v.as_str().to_owned());
                let tokens: Vec<&str> = m.subject.split('.').skip(2).collect();
                let (role, tenant, producer) = match tokens.as_slice() {
                    [role, producer] => (*role, None, *producer),
                    [role, tenant, producer] => (*role, Some((*tenant).to_owned()), *producer),
                    other => ("", None, other.last().copied().unwrap_or_default()),
                };
                Ok(Submission {
                    producer: producer.to_owned(),
                    role: role.to_owned(),
                    tenant,
                    content_type: text(CONTENT_TYPE),
                    reply_to: text(REPLY_TO),
                    payload: m.payload.clone(),
                    headers,
                })
            },
        )
        .ahead(AHEAD)
    }

    /// Sends something to whoever waits there, if somebody does.
    ///
    /// # Errors
    /// Where the connection is gone.
    pub async fn tell(&self, subject: String, payload: Vec<u8>) -> Result<(), EdgeError> {
        self.client.publish(subject, payload.into()).await.map_err(failed("take the answer"))
    }

    /// Records a rejection.
    ///
    /// # Errors
    /// Where it is not stored.
    pub async fn record_rejection(&self, payload: Vec<u8>) -> Result<(), EdgeError> {
        let failed = failed("store the refusal");
        let message = PublishMessage::build().payload(payload.into());
        let sent = self.context.send_publish("oi.rejections", message).await;
        sent.map_err(&failed)?.await.map(drop).map_err(&failed)
    }

    /// At most `count` refusals from the number `from` downwards, or from the newest, each
    /// with its number.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn rejections(
        &self,
        from: Option<u64>,
        count: usize,
    ) -> Result<Vec<(u64, Bytes)>, EdgeError> {
        let what = "tell its refusals";
        let stream = self.context.get_stream(REJECTIONS).await.map_err(failed(what))?;
        let state = &stream.cached_info().state;
        let newest = from.unwrap_or(u64::MAX).min(state.last_sequence);
        let mut found = Vec::new();
        for number in (state.first_sequence.max(1)..=newest).rev() {
            if found.len() >= count {
                break;
            }
            match stream.get_raw_message(number).await {
                Ok(message) => found.push((number, message.payload)),
                Err(e) if e.kind() == RawMessageErrorKind::NoMessageFound => {}
                Err(e) => return Err(failed(what)(e)),
            }
        }
        Ok(found)
    }

    /// The end of the feed: its last sequence, and the id of the event there.
    ///
    /// # Errors
    /// Where it cannot be seen.
    pub async fn feed_end(&self) -> Result<(u64, Option<String>), EdgeError> {
        let what = "tell where the feed ends";
        let stream = self.context.get_stream_no_info(FEED).await.map_err(failed(what))?;
        match stream.get_last_raw_message_by_subject(">").await {
            Ok(StreamMessage { sequence, headers, .. }) => {
                Ok((sequence, headers.get(CLOUD_EVENT_ID).map(|v| v.as_str().to_owned())))
            }
            Err(e) if e.kind() == LastRawMessageErrorKind::NoMessageFound => Ok((0, None)),
            Err(e) => Err(failed(what)(e)),
        }
    }

    /// Adds to the feed, after its message `after`: all or nothing.
    ///
    /// # Errors
    /// Where it ends elsewhere by now, or they are not stored as far as is known: look at
    /// its end again.
    pub async fn extend_feed(&self, events: &[FeedMessage], after: u64) -> Result<(), EdgeError> {
        let what = "take the feed's next events";
        if let [event] = events {
            let message = PublishMessage::build()
                .headers(event.header_map())
                .payload(event.payload.clone().into())
                .expected_last_sequence(after);
            let sent = self.context.send_publish(event.subject.clone(), message).await;
            return sent.map_err(failed(what))?.await.map(drop).map_err(failed(what));
        }
        // One write to the disk for all of them (NATS ADR-50).
        let batch = format!("{}-{after}", self.client.new_inbox());
        for (n, event) in events.iter().enumerate() {
            let mut headers = event.header_map();
            headers.insert("Nats-Batch-Id", &batch[batch.len().saturating_sub(60)..]);
            headers.insert("Nats-Batch-Sequence", (n + 1).to_string());
            if n == 0 {
                headers.insert("Nats-Expected-Last-Sequence", after.to_string());
            }
            let (subject, payload) = (event.subject.clone(), event.payload.clone().into());
            if n + 1 < events.len() {
                let sent = self.client.publish_with_headers(subject, headers, payload).await;
                sent.map_err(failed(what))?;
                continue;
            }
            headers.insert("Nats-Batch-Commit", "1");
            let message = PublishMessage::build().headers(headers).payload(payload);
            let sent = self.context.send_publish(subject, message).await;
            sent.map_err(failed(what))?.await.map_err(failed(what))?;
        }
        Ok(())
    }
}
