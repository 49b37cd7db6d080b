//! Enqueuing jobs, and removing those that the broker gave up.

use crate::connection::{BoxError, Connection, is_subject_taken};
use crate::message::MessageError;
use crate::queue::Queue;
use crate::streams::{ADVISORY_CONSUMER, JOBS};
use crate::subjects;
use async_nats::jetstream;
use async_nats::jetstream::context::PublishError;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::RawMessageErrorKind;
use oi_events::{CodecError, Job, JobId};
use std::sync::Arc;

/// Why the job queue does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JobQueueError {
    /// The job has no stored form.
    #[error("the job cannot be encoded")]
    Encode(#[from] CodecError),
    /// The broker did not store the job.
    #[error("the broker did not store the job (its log says why: a full disk, for example)")]
    Store(#[source] PublishError),
    /// A dead-lettered job cannot be looked at.
    #[error("the broker does not show a dead-lettered job")]
    Look(#[source] BoxError),
    /// A dead-lettered job was not removed.
    #[error("the broker did not remove a dead-lettered job")]
    Remove(#[source] BoxError),
}

/// The outcome of enqueuing a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It is queued now.
    Queued,
    /// It was queued already.
    AlreadyQueued,
}

/// A job that the broker gave up.
#[derive(Debug, Clone)]
pub struct DeadLettered {
    stream_sequence: u64,
}

#[derive(serde::Deserialize)]
struct Advisory {
    stream_seq: u64,
}

fn decode(message: &jetstream::Message) -> Result<DeadLettered, MessageError> {
    let advisory: Advisory =
        serde_json::from_slice(&message.payload).map_err(MessageError::Advisory)?;
    Ok(DeadLettered { stream_sequence: advisory.stream_seq })
}

/// Enqueues jobs and removes dead-lettered ones. Clones share a connection.
#[derive(Clone)]
pub struct JobQueue(Arc<Connection>);

impl JobQueue {
    pub(crate) fn new(connection: Arc<Connection>) -> JobQueue {
        JobQueue(connection)
    }

    /// Enqueues a job, unless it is in the queue.
    ///
    /// # Errors
    /// When the broker did not store it.
    pub async fn enqueue(&self, job: &Job) -> Result<Enqueued, JobQueueError> {
        let message = PublishMessage::build().payload(oi_events::to_bytes(job)?.into());
        match self.0.store(subjects::job(&job.id), message).await {
            Ok(_) => Ok(Enqueued::Queued),
            Err(e) if is_subject_taken(&e) => Ok(Enqueued::AlreadyQueued),
            Err(e) => Err(JobQueueError::Store(e)),
        }
    }

    /// Jobs that the broker gave up, because they were delivered too often without an
    /// outcome; shared among all deciders.
    pub fn dead_lettered(&self) -> Queue<DeadLettered> {
        Queue::new(&self.0, &ADVISORY_CONSUMER, decode)
    }

    /// Takes a dead-lettered job out of the queue, so that it can be queued again. Returns
    /// its id; none if it is no longer there.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub async fn remove_dead_lettered(
        &self,
        dead_lettered: &DeadLettered,
    ) -> Result<Option<JobId>, JobQueueError> {
        let stream = self.0.context.get_stream_no_info(JOBS).await;
        let stream = stream.map_err(|e| JobQueueError::Look(e.into()))?;
        let sequence = dead_lettered.stream_sequence;
        match stream.get_raw_message(sequence).await {
            Ok(message) => {
                let deleted = stream.delete_message(sequence).await;
                deleted.map_err(|e| JobQueueError::Remove(e.into()))?;
                Ok(subjects::job_id(&message.subject))
            }
            Err(e) if e.kind() == RawMessageErrorKind::NoMessageFound => Ok(None),
            Err(e) => Err(JobQueueError::Look(e.into())),
        }
    }
}
