//! Taking jobs.

use crate::connection::Connection;
use crate::message::MessageError;
use crate::queue::Queue;
use crate::streams::JOB_CONSUMER;
use async_nats::jetstream;
use oi_events::Job;
use std::sync::Arc;

/// Takes jobs. Clones share a connection.
#[derive(Clone)]
pub struct JobInbox(Arc<Connection>);

fn decode(message: &jetstream::Message) -> Result<Job, MessageError> {
    oi_events::from_bytes_strict(&message.payload).map_err(MessageError::Job)
}

impl JobInbox {
    pub(crate) fn new(connection: Arc<Connection>) -> JobInbox {
        JobInbox(connection)
    }

    /// The jobs to be done, shared among all workers. A job is delivered again until it is
    /// acknowledged, and dead-lettered after too many deliveries.
    pub fn queue(&self) -> Queue<Job> {
        Queue::new(&self.0, &JOB_CONSUMER, decode)
    }
}
