//! A producer and a consumer: see `examples/README.md`.

use async_nats::jetstream::{self, consumer, message::PublishMessage};
use futures::StreamExt;
use oi_proto::v1::{self, command_outcome::Outcome, submit_request::Command};
use prost::Message;
use std::io::{BufRead, ErrorKind, Write};
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const PATIENCE: Duration = Duration::from_secs(5);

/// Connects; with an nkey, TLS and an inbox where the environment names them.
async fn connect(url: &str) -> Result<async_nats::Client> {
    let mut options = match std::env::var("OI_NATS_NKEY") {
        Ok(path) => {
            let seed = std::fs::read_to_string(path)?;
            async_nats::ConnectOptions::with_nkey(seed.trim().to_owned())
        }
        Err(_) => async_nats::ConnectOptions::new(),
    };
    if let Ok(ca) = std::env::var("OI_NATS_CA") {
        options = options.add_root_certificates(ca.into()).require_tls(true);
    }
    if let Ok(inbox) = std::env::var("OI_NATS_INBOX") {
        options = options.custom_inbox_prefix(inbox);
    }
    Ok(options.connect(url).await?)
}

/// Registers hypervisors, and prints what became of each.
async fn produce(url: &str, producer: &str) -> Result<()> {
    let client = connect(url).await?;
    for name in std::io::stdin().lock().lines() {
        let name = name?;
        let request = v1::SubmitRequest {
            command_id: uuid::Uuid::now_v7().to_string(),
            command: Some(Command::RegisterHypervisor(v1::RegisterHypervisor {
                cri_endpoint: format!("unix:///run/{name}.sock"),
                name: name.clone(),
                address: "192.0.2.1".to_owned(),
                port_low: 30_000,
                port_high: 32_767,
                data_dir: "/var/lib/oi".to_owned(),
                ..v1::RegisterHypervisor::default()
            })),
            ..v1::SubmitRequest::default()
        };
        println!("{name}: {}", submit(&client, producer, &request).await?);
    }
    Ok(())
}

/// Publishes until an outcome comes; the same command is decided once.
async fn submit(
    client: &async_nats::Client,
    producer: &str,
    request: &v1::SubmitRequest,
) -> Result<String> {
    let context = jetstream::new(client.clone());
    loop {
        let inbox = client.new_inbox();
        let mut outcomes = client.subscribe(inbox.clone()).await?;
        let message = PublishMessage::build()
            .header("Content-Type", "application/x-protobuf")
            .header("Oi-Reply-To", inbox.as_str())
            .payload(request.encode_to_vec().into());
        let stored =
            context.send_publish(format!("oi.submit.admin.{producer}"), message).await?.await;
        if let Err(error) = stored {
            eprintln!("asking again: {error}");
            continue;
        }
        let Ok(Some(told)) = tokio::time::timeout(PATIENCE, outcomes.next()).await else {
            continue;
        };
        return Ok(match v1::CommandOutcome::decode(told.payload)?.outcome {
            Some(Outcome::Decided(decided)) => format!("decided at position {}", decided.position),
            Some(Outcome::Rejected(refused)) => {
                format!("refused ({}): {}", refused.code, refused.message)
            }
            None => "an outcome that this program does not know".to_owned(),
        });
    }
}

/// The place of an event: its commit's position, and its number there.
fn place(id: &str) -> Option<(u64, u32)> {
    let (position, index) = id.split_once('.')?;
    let (Ok(position), Ok(index)) = (position.parse(), index.parse()) else { return None };
    Some((position, index))
}

/// Appends each event to a file, once.
async fn consume(url: &str, name: &str, path: &str) -> Result<()> {
    let context = jetstream::new(connect(url).await?);
    let written = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let mut last = written.lines().last().and_then(|line| place(line.split(' ').next()?));
    let mut file = std::fs::File::options().create(true).append(true).open(path)?;
    loop {
        let followed: Result<()> = async {
            let config = consumer::pull::Config {
                durable_name: Some(name.to_owned()),
                ..consumer::pull::Config::default()
            };
            let stream = context.get_stream("OI_FEED").await?;
            let mut events = stream.get_or_create_consumer(name, config).await?.messages().await?;
            while let Some(message) = events.next().await {
                let message = message?;
                let event = v1::WatchResponse::decode(message.payload.clone())?;
                let here = Some((event.position, event.index));
                if here > last {
                    writeln!(file, "{} {}", event.resume_token, event.event)?;
                    last = here;
                }
                message.ack().await?;
            }
            Ok(())
        }
        .await;
        if let Err(error) = followed {
            eprintln!("going on after {last:?}: {error}");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["produce", url, producer] => produce(url, producer).await,
        ["consume", url, name, file] => consume(url, name, file).await,
        _ => Err("usage: oi-example produce NATS_URL PRODUCER | consume NATS_URL NAME FILE".into()),
    }
}
