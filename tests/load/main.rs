//! `oi-load`: many commands from many producers, half of them over gRPC and half as
//! messages, while processes die around them. Each is asked for until it is answered.
//! Afterwards the log is read: each command that was acknowledged stands in it once, where
//! its acknowledgement said. Started by `tests/e2e/load`.

mod producer;

use oi_events::CommandId;
use oi_journal::{Journal, JournalConfig};
use producer::{Counts, Producer};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the brokers may need to serve the log again.
const LOOK: Duration = Duration::from_secs(120);

/// Whatever went wrong ends the run.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What was acknowledged: the position of each command.
pub type Acknowledged = BTreeMap<CommandId, u64>;

async fn run(
    brokers: &str,
    servers: Vec<String>,
    commands: usize,
    producers: usize,
) -> Result<bool, Error> {
    let counts = Arc::new(Counts::default());
    let start = Instant::now();
    let mut running = Vec::new();
    for n in 0..producers {
        let producer = Producer::new(n, brokers, &servers, counts.clone()).await?;
        running.push(tokio::spawn(producer.run(commands / producers)));
    }
    let progress = {
        let counts = counts.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(10)).await;
                eprintln!("{counts}");
            }
        })
    };
    let mut acknowledged = Acknowledged::new();
    for producer in running {
        acknowledged.extend(producer.await??);
    }
    progress.abort();
    let took = start.elapsed().as_secs_f64();
    println!(
        "{} commands of {producers} producers acknowledged in {took:.1} s ({:.0} a second): {counts}",
        acknowledged.len(),
        acknowledged.len() as f64 / took,
    );
    // A broker may have been killed just now: the log is looked at when it can be.
    let deadline = Instant::now() + LOOK;
    loop {
        match compare(brokers, &acknowledged).await {
            Err(error) if Instant::now() < deadline => {
                eprintln!("the log cannot be read yet: {error}");
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            compared => return compared,
        }
    }
}

/// Reads the whole log.
async fn compare(brokers: &str, acknowledged: &Acknowledged) -> Result<bool, Error> {
    let journal = Journal::connect(JournalConfig::new(brokers, "oi-load")).await?;
    let end = journal.log().last_position().await?;
    let mut log = journal.log().replay(1, end).await?;
    let (mut decided, mut twice, mut last, mut messages) = (BTreeMap::new(), 0, 0, 0);
    let mut previous = oi_events::Hash::ZERO;
    let mut sequence = 0;
    while let Some(stored) = log.next_stored().await? {
        messages += u64::from(stored.sequence != sequence);
        sequence = stored.sequence;
        let recorded = stored.decode()?;
        let header = &recorded.commit.header;
        if recorded.position != last + 1 || header.previous != previous {
            println!("NOT OK position {} does not follow {last}", recorded.position);
            return Ok(false);
        }
        (last, previous) = (recorded.position, recorded.hash);
        twice += u64::from(decided.insert(header.command_id, last).is_some());
    }
    let lost = acknowledged.keys().filter(|id| !decided.contains_key(id)).count();
    let elsewhere = acknowledged
        .iter()
        .filter(|(id, position)| decided.get(id).is_some_and(|there| there != *position))
        .count();
    println!(
        "the log holds {last} decisions in {messages} messages, one after the other: of {} acknowledged {lost} are lost, {twice} were decided twice, {elsewhere} stand elsewhere",
        acknowledged.len()
    );
    Ok(lost == 0 && twice == 0 && elsewhere == 0)
}

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [commands, producers, brokers, servers @ ..] = args.as_slice() else {
        eprintln!("usage: oi-load COMMANDS PRODUCERS BROKERS SERVER...");
        return ExitCode::from(2);
    };
    let (commands, producers) = (commands.parse().unwrap_or(1000), producers.parse().unwrap_or(10));
    match run(brokers, servers.to_vec(), commands, producers).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
