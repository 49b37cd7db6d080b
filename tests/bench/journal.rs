//! Append and replay against raw publish and raw drain of the same bytes and headers.

use crate::{Result, report, spread};
use async_nats::jetstream::{self, consumer};
use bytes::Bytes;
use futures::StreamExt;
use oi_events::*;
use oi_journal::{Journal, JournalConfig};
use std::time::{Duration, Instant};
use uuid::Uuid;

const STREAM: &str = "OI_EVENTS";
const ROUNDS: u64 = 5;
const COMMITS: u64 = 1000;
/// The log is read this often in a round, for one reading is short.
const READINGS: u32 = 4;

fn commit(n: u64, previous: Hash) -> Result<Commit> {
    let id = CommandId(Uuid::from_u128(n.into()));
    let job = JobId(format!("node.test.cp-1.{n}.control-plane"));
    let report = ReportJobV2 {
        job: job.clone(),
        result: JobResult::Succeeded(oi_events::JobOutput::None),
        took_ms: 4321,
    };
    Ok(Commit {
        header: CommitHeader {
            command_id: id,
            correlation: id,
            actor: "system:worker:bench".to_owned(),
            time_ms: 1_790_000_000_000 + n,
            previous,
        },
        command: report.into(),
        events: vec![
            JobSucceededV1 { job, took_ms: 4321 }.into(),
            ClusterBecameReadyV1 { name: "test".parse()? }.into(),
        ],
    })
}

/// What [`append`](oi_journal::Appender::append) costs, one after the other.
async fn append(journal: &Journal, from: u64, head: &mut Hash) -> Result<Duration> {
    let start = Instant::now();
    for n in from..from + COMMITS {
        *head = journal.appender().append(&commit(n + 1, *head)?, n).await?.hash;
    }
    Ok(start.elapsed())
}

/// A message as stored.
#[derive(Clone)]
pub struct Raw {
    pub subject: String,
    pub headers: async_nats::HeaderMap,
    pub body: Bytes,
}

/// What is stored, to be published again as it is.
pub async fn stored(context: &jetstream::Context, from: u64, count: u64) -> Result<Vec<Raw>> {
    let stream = context.get_stream(STREAM).await?;
    let mut raw = Vec::new();
    for n in from + 1..=from + count {
        let m = stream.get_raw_message(n).await?;
        raw.push(Raw { subject: m.subject.to_string(), headers: m.headers, body: m.payload });
    }
    Ok(raw)
}

async fn publish(context: &jetstream::Context, from: u64, raw: &[Raw]) -> Result<Duration> {
    let start = Instant::now();
    for (n, m) in (from..).zip(raw) {
        let message = jetstream::message::PublishMessage::build()
            .headers(m.headers.clone())
            .payload(m.body.clone())
            .expected_stream(STREAM)
            .expected_last_sequence(n);
        context.send_publish(m.subject.clone(), message).await?.await?;
    }
    Ok(start.elapsed())
}

/// Reads all, decodes and hashes each.
async fn replay(journal: &Journal) -> Result<Duration> {
    let start = Instant::now();
    let mut log = journal.log().replay(1, journal.log().last_position().await?).await?;
    let mut count = 0;
    while log.next().await?.is_some() {
        count += 1;
    }
    if count == 0 { Err("nothing was replayed".into()) } else { Ok(start.elapsed()) }
}

/// Reads all, and looks at nothing.
pub async fn drain(context: &jetstream::Context) -> Result<Duration> {
    let start = Instant::now();
    let stream = context.get_stream(STREAM).await?;
    let end = stream.cached_info().state.last_sequence;
    let consumer = stream.create_consumer(consumer::pull::OrderedConfig::default()).await?;
    let mut messages = consumer.messages().await?.take(usize::try_from(end)?);
    while let Some(message) = messages.next().await {
        message?;
    }
    Ok(start.elapsed())
}

/// Interleaved rounds over two brokers with the same settings; the second is ours.
pub async fn run(bare_url: &str, url: &str) -> Result<()> {
    let bare = jetstream::new(async_nats::connect(bare_url).await?);
    let beside = jetstream::new(async_nats::connect(url).await?);
    let twin = Journal::connect(JournalConfig::new(bare_url, "oi-bench")).await?;
    let journal = Journal::connect(JournalConfig::new(url, "oi-bench")).await?;
    for journal in [&twin, &journal] {
        journal.ensure_streams().await?;
    }
    let (mut published, mut appended) = (Vec::new(), Vec::new());
    let (mut drained, mut replayed) = (Vec::new(), Vec::new());
    let mut head = Hash::ZERO;
    for round in 0..ROUNDS {
        let from = round * COMMITS;
        appended.push(append(&journal, from, &mut head).await?);
        published.push(publish(&bare, from, &stored(&beside, from, COMMITS).await?).await?);
        for _ in 0..READINGS {
            drained.push(drain(&bare).await?);
            replayed.push(replay(&journal).await?);
        }
        eprintln!("round {} of {ROUNDS}", round + 1);
    }
    let inverse = |(m, _, _): (f64, f64, f64)| 1.0 / m;
    report(&format!("append of {COMMITS}"), &published, &appended, 1.0 / 0.8, "s");
    report("replay", &drained, &replayed, 1.0 / 0.5, "s");
    println!(
        "append runs at {:.2} of raw publish (aim 0.80), replay at {:.2} of raw drain (aim 0.50)",
        inverse(spread(&appended)) / inverse(spread(&published)),
        inverse(spread(&replayed)) / inverse(spread(&drained)),
    );
    Ok(())
}
