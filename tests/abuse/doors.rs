//! The two doors by which commands come: gRPC, and messages of producers.

use crate::{Api, Error, grpc, messages};
use async_nats::Client;
use oi_proto::v1;
use prost::Message;

/// What was answered.
pub struct Answer {
    /// `accepted`, the stable code of a refusal, or gRPC's where the transport refused.
    pub code: String,
    /// What people are told.
    pub message: String,
}

/// A door.
pub enum Door {
    Grpc(Api),
    Messages(Client),
}

/// Where messages of ours come from: the broker says who sent them.
const SUBJECT: &str = "oi.submit.admin.abuse";

impl Door {
    /// Its name, which names can begin with.
    pub fn name(&self) -> &'static str {
        match self {
            Door::Grpc(_) => "grpc",
            Door::Messages(_) => "message",
        }
    }

    /// Who asks, as the request says it, so that the record has so many bytes.
    pub fn actor(&self, bytes: usize) -> String {
        match self {
            Door::Grpc(_) => "a".repeat(bytes),
            Door::Messages(_) => "a".repeat(bytes - "producer:abuse:".len()),
        }
    }

    /// How a request that is too large is refused, and what the answer says. gRPC never reads it.
    pub fn too_large(&self) -> (&'static str, String) {
        let limit = oi_events::Limit::Request;
        match self {
            Door::Grpc(_) => ("OutOfRange", (limit.bound() * 1024).to_string()),
            Door::Messages(_) => ("too-large", limit.problem().to_owned()),
        }
    }

    /// Asks for a decision.
    pub async fn ask(&mut self, request: v1::SubmitRequest) -> Result<Answer, Error> {
        match self {
            Door::Grpc(api) => Ok(match api.submit(request).await {
                Ok(_) => Answer { code: "accepted".to_owned(), message: String::new() },
                Err(status) => {
                    let message = status.message().to_owned();
                    Answer { code: grpc::word(Err(status)), message }
                }
            }),
            Door::Messages(client) => {
                messages::publish(client, SUBJECT.to_owned(), &[], request.encode_to_vec()).await
            }
        }
    }
}
