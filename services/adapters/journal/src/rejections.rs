//! The record of rejections. What is in them is the gateway's concern; here they are bytes.

use crate::connection::{BoxError, Connection};
use crate::streams::REJECTIONS;
use crate::subjects;
use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::RawMessageErrorKind;
use bytes::Bytes;
use std::sync::Arc;

/// Why rejections were not recorded or listed.
#[derive(Debug, thiserror::Error)]
pub enum RejectionsError {
    /// The broker did not store a rejection.
    #[error("the broker did not store the rejection")]
    Record(#[source] PublishError),
    /// The broker does not return its rejections.
    #[error("the broker does not return its rejections")]
    List(#[source] BoxError),
}

/// Records and lists rejections. Clones share a connection.
#[derive(Clone)]
pub struct Rejections(Arc<Connection>);

impl Rejections {
    pub(crate) fn new(connection: Arc<Connection>) -> Rejections {
        Rejections(connection)
    }

    /// Records a rejection.
    ///
    /// # Errors
    /// When the broker did not store it.
    pub async fn record(&self, payload: Vec<u8>) -> Result<(), RejectionsError> {
        let message = PublishMessage::build().payload(payload.into());
        let stored = self.0.store(subjects::REJECTIONS, message).await;
        stored.map(drop).map_err(RejectionsError::Record)
    }

    /// At most `count` rejections with their numbers, from the number `from` downwards, or
    /// from the newest.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list(
        &self,
        from: Option<u64>,
        count: usize,
    ) -> Result<Vec<(u64, Bytes)>, RejectionsError> {
        let stream = self.0.context.get_stream(REJECTIONS).await;
        let stream = stream.map_err(|e| RejectionsError::List(e.into()))?;
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
                Err(e) => return Err(RejectionsError::List(e.into())),
            }
        }
        Ok(found)
    }
}
