//! Commands decided per second, and how long one takes, against raw publishing of the same
//! bytes to a broker of the same settings.

use crate::journal::stored;
use crate::scale::Platform;
use crate::{Result, spread};
use async_nats::jetstream::{self, message::PublishMessage};
use oi_events::*;
use oi_journal::{Journal, JournalConfig};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

const IN_FLIGHT: [usize; 3] = [1, 16, 256];
const HYPERVISORS: usize = 512;
const TEMPLATES: u64 = 200;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);
const LIMIT: Duration = Duration::from_secs(30);
/// At low load: so many, one after the other, with pauses.
const SAMPLES: usize = 300;
const REGISTRATIONS: usize = 300;
const PAUSE: Duration = Duration::from_millis(20);

fn envelope(command: impl Into<Command>) -> CommandEnvelope {
    CommandEnvelope::new(CommandId(Uuid::now_v7()), "oi-bench", oi_clock::now_ms(), command)
}

async fn decided(journal: &Journal, command: impl Into<Command>) -> Result<()> {
    match journal.command_client().request(&envelope(command), LIMIT).await? {
        Outcome::Committed { .. } => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn cordon(n: usize, cordoned: bool) -> Result<CordonHypervisorV1> {
    Ok(CordonHypervisorV1 { name: format!("hv-{n}").parse()?, cordoned })
}

async fn register(journal: &Journal, n: usize, dir: &Path) -> Result<()> {
    let command = RegisterHypervisorV1 {
        name: format!("hv-{n}").parse()?,
        cri_endpoint: format!("unix://{}/hv-{n}.sock", dir.display()),
        tls: None,
        public: false,
        address: format!("192.0.{}.{}", 2 + n / 250, 1 + n % 250).parse()?,
        port_low: 10_000,
        port_high: 60_000,
        data_dir: format!("/var/lib/oi/hv-{n}"),
        max_nodes: None,
    };
    decided(journal, command).await
}

/// Runs `work` in so many tasks for a while; it is told which task it is and which turn
/// this is. Returns how often it was done in a second.
async fn rate<W, F>(tasks: usize, work: W) -> Result<f64>
where
    W: Fn(usize, u64) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<()>> + Send,
{
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let start = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let (stop, count, work) = (stop.clone(), count.clone(), work.clone());
            tokio::spawn(async move {
                let mut turn = 0;
                while !stop.load(Ordering::Relaxed) {
                    work(task, turn).await?;
                    turn += 1;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Result::Ok(())
            })
        })
        .collect();
    tokio::time::sleep(ROUND).await;
    let rate = count.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    for task in running {
        task.await??;
    }
    Ok(rate)
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Two brokers of the same settings; a decider works on the second.
pub async fn throughput(what: &str, bare_url: &str, url: &str) -> Result<()> {
    let bare = jetstream::new(async_nats::connect(bare_url).await?);
    let beside = jetstream::new(async_nats::connect(url).await?);
    let journal = Journal::connect(JournalConfig::new(url, "oi-bench")).await?;
    for url in [bare_url, url] {
        let journal = Journal::connect(JournalConfig::new(url, "oi-bench")).await?;
        journal.ensure_streams().await?;
    }
    for n in 0..HYPERVISORS {
        register(&journal, n, Path::new("/nowhere")).await?;
    }
    let from = journal.log().last_position().await?;
    for n in 0..TEMPLATES {
        decided(&journal, cordon(usize::try_from(n)?, true)?).await?;
    }
    let mut templates = stored(&beside, from, TEMPLATES).await?;
    for raw in &mut templates {
        // Nothing is expected of the order.
        raw.headers = raw
            .headers
            .iter()
            .filter(|(name, _)| !name.to_string().starts_with("Nats-Expected"))
            .flat_map(|(name, values)| values.iter().map(|v| (name.clone(), v.clone())))
            .collect();
    }
    let templates = Arc::new(templates);
    for n in 0..TEMPLATES {
        decided(&journal, cordon(usize::try_from(n)?, false)?).await?;
    }
    for tasks in IN_FLIGHT {
        let (mut published, mut decisions) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (context, templates) = (bare.clone(), templates.clone());
            let publish = move |task: usize, turn: u64| {
                let raw = templates[(task + usize::try_from(turn).unwrap_or(0)) % templates.len()]
                    .clone();
                let context = context.clone();
                async move {
                    let message = PublishMessage::build()
                        .headers(raw.headers)
                        .payload(raw.body)
                        .message_id(Uuid::now_v7().to_string());
                    context.send_publish(raw.subject, message).await?.await?;
                    Ok(())
                }
            };
            published.push(rate(tasks, publish).await?);
            let ours = journal.clone();
            let journal = journal.clone();
            let decide = move |task: usize, turn: u64| {
                let journal = journal.clone();
                async move { decided(&journal, cordon(task, turn.is_multiple_of(2))?).await }
            };
            decisions.push(rate(tasks, decide).await?);
            // For the next round to begin as this one.
            for task in 0..tasks {
                settled(&ours, cordon(task, false)?).await?;
            }
        }
        let (raw, ours) = (median(&mut published), median(&mut decisions));
        println!(
            "{what}, {tasks:>3} in flight: {ours:>7.0} decided/s, raw publish {raw:>7.0}/s, ratio {:.2}",
            ours / raw
        );
    }
    Ok(())
}

/// Whether it changes something or not.
async fn settled(journal: &Journal, command: CordonHypervisorV1) -> Result<()> {
    match journal.command_client().request(&envelope(command), LIMIT).await? {
        Outcome::Rejected { message, .. } => Err(message.into()),
        _ => Ok(()),
    }
}

fn percentile(samples: &mut [Duration], percent: usize) -> f64 {
    samples.sort();
    samples[(samples.len() * percent / 100).min(samples.len() - 1)].as_secs_f64() * 1000.0
}

/// One command at a time: from asking to the decision, and to the first CRI call.
pub async fn latency(bare_url: &str, url: &str, dir: &str) -> Result<()> {
    let dir = Path::new(dir);
    let bare = jetstream::new(async_nats::connect(bare_url).await?);
    Journal::connect(JournalConfig::new(bare_url, "oi-bench")).await?.ensure_streams().await?;
    let platform = Platform::start(url, dir).await?;
    register(&platform.journal, 0, dir).await?;
    let (mut published, mut decisions, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..SAMPLES {
        tokio::time::sleep(PAUSE).await;
        let start = Instant::now();
        bare.publish("oi.events.bench", vec![7; 400].into()).await?.await?;
        published.push(start.elapsed());
        tokio::time::sleep(PAUSE).await;
        let start = Instant::now();
        decided(&platform.journal, cordon(0, n % 2 == 0)?).await?;
        decisions.push(start.elapsed());
    }
    for n in 1..=REGISTRATIONS {
        tokio::time::sleep(PAUSE * 5).await;
        let fake = oi_cri::fake::FakeCri::new(dir);
        let _serving = fake.serve(&dir.join(format!("hv-{n}.sock")))?;
        let start = Instant::now();
        register(&platform.journal, n, dir).await?;
        while fake.calls().is_empty() && start.elapsed() < LIMIT {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        calls.push(start.elapsed());
    }
    let (_, _, slowest) = spread(&decisions);
    let p99 = percentile(&mut published, 99);
    let p50 = percentile(&mut published, 50);
    println!("one fsynced publish: p50 {p50:.2} ms, p99 {p99:.2} ms");
    for (what, samples) in
        [("asked to decided", &mut decisions), ("asked to first CRI call", &mut calls)]
    {
        let (half, most) = (percentile(samples, 50), percentile(samples, 99));
        println!(
            "{what}: p50 {half:.2} ms ({:.1} of a publish), p99 {most:.2} ms ({:.1} of a publish's p99; aim below 20 ms)",
            half / p50,
            most / p99
        );
    }
    println!("slowest decision {:.2} ms", slowest * 1000.0);
    Ok(())
}
