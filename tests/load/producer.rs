//! One producer: so many commands at a time, each until it is answered.

use crate::{Acknowledged, Error};
use async_nats::jetstream::{self, message::PublishMessage};
use futures::StreamExt;
use oi_proto::v1::{
    self, command_outcome::Outcome, oi_client::OiClient, submit_request::Command as Asked,
};
use prost::Message;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

/// Commands of a producer that wait for their answer at a time, each about a hypervisor of
/// its own.
const IN_FLIGHT: usize = 32;
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);

/// What happened so far.
#[derive(Default)]
pub struct Counts {
    grpc: AtomicU64,
    messages: AtomicU64,
    again: AtomicU64,
    duplicates: AtomicU64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = |a: &AtomicU64| a.load(Ordering::Relaxed);
        write!(
            f,
            "{} over gRPC, {} as messages; asked again {} times, {} were decided already then",
            n(&self.grpc),
            n(&self.messages),
            n(&self.again),
            n(&self.duplicates)
        )
    }
}

#[derive(Clone)]
enum Way {
    Grpc(Vec<OiClient<Channel>>),
    Messages(async_nats::Client),
}

/// Asks for commands.
#[derive(Clone)]
pub struct Producer {
    name: String,
    way: Way,
    counts: Arc<Counts>,
}

impl Producer {
    /// Every second one sends messages.
    pub async fn new(
        n: usize,
        brokers: &str,
        servers: &[String],
        counts: Arc<Counts>,
    ) -> Result<Producer, Error> {
        let way = if n.is_multiple_of(2) {
            let connect = |server: &String| -> Result<_, Error> {
                let endpoint = Endpoint::from_shared(server.clone())?
                    .connect_timeout(PATIENCE)
                    .tcp_nodelay(true);
                Ok(OiClient::new(endpoint.connect_lazy()))
            };
            Way::Grpc(servers.iter().map(connect).collect::<Result<_, _>>()?)
        } else {
            let servers: Vec<&str> = brokers.split(',').collect();
            Way::Messages(async_nats::connect(servers).await?)
        };
        Ok(Producer { name: format!("p{n}"), way, counts })
    }

    /// Asks for so many commands; returns what was acknowledged.
    pub async fn run(self, commands: usize) -> Result<Acknowledged, Error> {
        let tasks: Vec<_> = (0..IN_FLIGHT)
            .map(|slot| {
                let share = commands / IN_FLIGHT + usize::from(slot < commands % IN_FLIGHT);
                tokio::spawn(self.clone().slot(slot, share))
            })
            .collect();
        let mut acknowledged = Acknowledged::new();
        for task in tasks {
            acknowledged.extend(task.await??);
        }
        Ok(acknowledged)
    }

    /// Commands about one hypervisor, one after the other: each changes something.
    async fn slot(self, slot: usize, commands: usize) -> Result<Acknowledged, Error> {
        let name = format!("{}-{slot}", self.name);
        let (mut acknowledged, mut turn) = (Acknowledged::new(), 0);
        while acknowledged.len() < commands {
            let command = match turn {
                0 => Asked::RegisterHypervisor(v1::RegisterHypervisor {
                    name: name.clone(),
                    cri_endpoint: format!("unix:///nowhere/{name}.sock"),
                    address: "192.0.2.1".to_owned(),
                    port_low: 10_000,
                    port_high: 60_000,
                    data_dir: "/var/lib/oi".to_owned(),
                    ..v1::RegisterHypervisor::default()
                }),
                n => Asked::CordonHypervisor(v1::CordonHypervisor {
                    name: name.clone(),
                    cordoned: n % 2 == 1,
                }),
            };
            turn += 1;
            let id = Uuid::now_v7();
            let request = v1::SubmitRequest {
                command_id: id.to_string(),
                actor: self.name.clone(),
                command: Some(command),
                ..v1::SubmitRequest::default()
            };
            let decided = self.until_answered(slot, &request).await?;
            if decided.unchanged {
                return Err(format!("{id} changed nothing").into());
            }
            acknowledged.insert(oi_events::CommandId(id), decided.position);
        }
        Ok(acknowledged)
    }

    async fn until_answered(
        &self,
        slot: usize,
        request: &v1::SubmitRequest,
    ) -> Result<v1::SubmitResponse, Error> {
        let mut attempt = 0;
        loop {
            let asked = async {
                match &self.way {
                    Way::Grpc(servers) => {
                        let mut api = servers[(slot + attempt) % servers.len()].clone();
                        over_grpc(&mut api, request).await
                    }
                    Way::Messages(client) => {
                        let subject = format!("oi.submit.admin.{}", self.name);
                        as_message(client, subject, request).await
                    }
                }
            };
            match tokio::time::timeout(PATIENCE * 3, asked).await {
                Ok(Ok(Some(decided))) => {
                    let way = match &self.way {
                        Way::Grpc(_) => &self.counts.grpc,
                        Way::Messages(_) => &self.counts.messages,
                    };
                    way.fetch_add(1, Ordering::Relaxed);
                    self.counts
                        .duplicates
                        .fetch_add(u64::from(decided.duplicate), Ordering::Relaxed);
                    return Ok(decided);
                }
                Ok(Err(refused)) => return Err(refused),
                Ok(Ok(None)) | Err(_) => {}
            }
            attempt += 1;
            self.counts.again.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// None where it is to be asked again.
async fn over_grpc(
    api: &mut OiClient<Channel>,
    request: &v1::SubmitRequest,
) -> Result<Option<v1::SubmitResponse>, Error> {
    match api.submit(request.clone()).await {
        Ok(response) => Ok(Some(response.into_inner())),
        Err(status) => match status.metadata().get("oi-code").and_then(|v| v.to_str().ok()) {
            None | Some("busy" | "unavailable" | "undecided") => Ok(None),
            Some(code) => Err(format!("refused ({code}): {}", status.message()).into()),
        },
    }
}

async fn as_message(
    client: &async_nats::Client,
    subject: String,
    request: &v1::SubmitRequest,
) -> Result<Option<v1::SubmitResponse>, Error> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    let context = jetstream::new(client.clone());
    let message = PublishMessage::build()
        .header("Content-Type", "application/x-protobuf")
        .header("Oi-Reply-To", inbox.as_str())
        .payload(request.encode_to_vec().into());
    let stored = async { context.send_publish(subject, message).await?.await };
    if stored.await.is_err() {
        return Ok(None);
    }
    let Ok(Some(answer)) = tokio::time::timeout(PATIENCE, answers.next()).await else {
        return Ok(None);
    };
    match v1::CommandOutcome::decode(answer.payload)?.outcome {
        Some(Outcome::Decided(decided)) => Ok(Some(decided)),
        Some(Outcome::Rejected(refused)) => {
            Err(format!("refused ({}): {}", refused.code, refused.message).into())
        }
        None => Err("an outcome without one".into()),
    }
}
