//! Commands of producers. What is in them is the gateway's concern; here they are bytes.

use crate::connection::Connection;
use crate::message::{MessageError, decode_command};
use crate::queue::Queue;
use crate::streams::SUBMISSION_CONSUMER;
use async_nats::client::PublishError;
use async_nats::{HeaderMap, jetstream};
use bytes::Bytes;
use oi_events::CommandEnvelope;
use std::sync::Arc;

/// The subject to which a submission's outcome is sent.
const REPLY_TO: &str = "Oi-Reply-To";
const CONTENT_TYPE: &str = "Content-Type";
/// Few are fetched ahead: those that wait here for long are delivered again.
const AHEAD: usize = 32;

/// Why a producer was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionsError {
    /// The connection is down.
    #[error("the outcome of a submission cannot be sent")]
    Answer(#[source] PublishError),
}

/// A message of a producer, not parsed yet.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The producer that may publish on its subject: the subject's last token.
    pub producer: String,
    /// The producer's role: the token after `oi.submit`.
    pub role: String,
    /// The producer's tenant, if any: the token between these.
    pub tenant: Option<String>,
    /// The media type of its payload.
    pub content_type: Option<String>,
    /// The subject to which its outcome is sent.
    pub reply_to: Option<String>,
    /// The payload.
    pub payload: Bytes,
    headers: HeaderMap,
}

impl Submission {
    fn of(message: &jetstream::Message) -> Submission {
        let headers = message.headers.clone().unwrap_or_default();
        let text = |name: &str| headers.get(name).map(|v| v.as_str().to_owned());
        let tokens: Vec<&str> = message.subject.split('.').skip(2).collect();
        let (role, tenant, producer) = match tokens.as_slice() {
            [role, producer] => (*role, None, *producer),
            [role, tenant, producer] => (*role, Some((*tenant).to_owned()), *producer),
            other => ("", None, other.last().copied().unwrap_or_default()),
        };
        Submission {
            producer: producer.to_owned(),
            role: role.to_owned(),
            tenant,
            content_type: text(CONTENT_TYPE),
            reply_to: text(REPLY_TO),
            payload: message.payload.clone(),
            headers,
        }
    }

    /// Reads it as a postcard command, whose kind and ids are in the headers.
    ///
    /// # Errors
    /// When it is not one.
    pub fn postcard(&self) -> Result<CommandEnvelope, MessageError> {
        decode_command(&self.headers, &self.payload)
    }
}

/// Takes commands of producers and answers them. Clones share a connection.
#[derive(Clone)]
pub struct Submissions(Arc<Connection>);

impl Submissions {
    pub(crate) fn new(connection: Arc<Connection>) -> Submissions {
        Submissions(connection)
    }

    /// The submissions, shared among all gateways.
    pub fn queue(&self) -> Queue<Submission> {
        Queue::new(&self.0, &SUBMISSION_CONSUMER, |m| Ok(Submission::of(m))).ahead(AHEAD)
    }

    /// Sends an outcome to a subject. Succeeds also if nobody listens there.
    ///
    /// # Errors
    /// When the connection is down.
    pub async fn answer(&self, subject: String, payload: Vec<u8>) -> Result<(), SubmissionsError> {
        self.0.client.publish(subject, payload.into()).await.map_err(SubmissionsError::Answer)
    }
}
