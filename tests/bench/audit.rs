//! A log of many events: verified and replayed from a broker against a raw drain of the
//! same, and from an archive on one core; and how much memory that takes.

use crate::journal::drain;
use crate::{Result, spread};
use async_nats::jetstream;
use oi_audit::{ArchiveReader, ArchiveWriter, Source, replay, verify};
use oi_events::read_frames;
use oi_journal::{Journal, JournalConfig};
use oi_proof::{Tree, leaf_hash};
use oi_tests::Workload;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const SEED: u64 = 7;
const ROUNDS: usize = 3;
const BATCH: usize = 256;

/// Peak resident memory since it was last forgotten, MiB.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

fn forget_peak() {
    // Where the kernel does not let us, the peak is that of the whole run.
    drop(fs::write("/proc/self/clear_refs", "5"));
}

/// Writes an archive of at least so many events; returns commits and events.
fn generate(path: &Path, wanted: u64) -> Result<(u64, u64)> {
    // How many commits that takes is known only afterwards: the same seed, twice.
    let (mut commits, mut events) = (0, 0);
    for commit in Workload::new(SEED) {
        commits += 1;
        events += read_frames(&commit.body)?.len() as u64 - 1;
        if commits % 100_000 == 0 {
            eprintln!("{events} events decided");
        }
        if events >= wanted {
            break;
        }
    }
    let mut writer = ArchiveWriter::create(path, commits)?;
    for commit in Workload::new(SEED).take(usize::try_from(commits)?) {
        writer.commit(&commit)?;
    }
    writer.finish()?;
    Ok((commits, events))
}

async fn put_back(path: &Path, journal: &Journal) -> Result<()> {
    let mut reader = ArchiveReader::open(path)?;
    loop {
        let batch = reader.next_batch(BATCH)?;
        if batch.is_empty() {
            return Ok(());
        }
        journal.importer().import(&batch).await?;
    }
}

/// What no reader of an archive can do without: reading it, and the hashes of the chain
/// and of the tree.
fn timed_floor(path: &Path) -> Result<Duration> {
    let start = Instant::now();
    let (mut reader, mut tree) = (ArchiveReader::open(path)?, Tree::default());
    while let Some(stored) = reader.next_stored()? {
        tree.push(leaf_hash(&stored.hash()?.0));
    }
    std::hint::black_box(tree.root());
    Ok(start.elapsed())
}

async fn timed_verify(source: &Source) -> Result<Duration> {
    let start = Instant::now();
    let report = verify(source, &[], |_, _| {}).await?;
    match report.checker.findings().first() {
        None => Ok(start.elapsed()),
        Some(finding) => Err(oi_events::chain(finding).into()),
    }
}

async fn timed_replay(source: &Source) -> Result<Duration> {
    let start = Instant::now();
    replay(source, None, |_, _| {}).await?;
    Ok(start.elapsed())
}

/// Generates, measures, prints.
pub async fn run(events: &str, url: &str, dir: &str) -> Result<()> {
    let path = Path::new(dir).join("log.oi");
    let (commits, events) = generate(&path, events.parse()?)?;
    let archive = Source::Archive(path.clone());
    let bytes = fs::metadata(&path)?.len();
    println!(
        "{events} events in {commits} commits, archive of {:.1} MiB",
        bytes as f64 / 1048576.0
    );
    let rate = |d: Duration| events as f64 / d.as_secs_f64();
    let state = replay(&archive, None, |_, _| {}).await?;
    let size = oi_events::to_bytes(&state)?.len() as f64 / 1048576.0;
    println!("the state: {} clusters, {size:.1} MiB as bytes", state.clusters.len());
    drop(state);
    let floor = (0..ROUNDS).map(|_| timed_floor(&path)).collect::<Result<Vec<_>>>()?;
    let (floor, ..) = spread(&floor);
    println!("reading and hashing alone: {:.0} events/s", rate(Duration::from_secs_f64(floor)));
    for (what, replays) in [("replay", true), ("verify", false)] {
        forget_peak();
        let before = peak();
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            times.push(if replays {
                timed_replay(&archive).await?
            } else {
                timed_verify(&archive).await?
            });
        }
        let (median, ..) = spread(&times);
        println!(
            "{what} from the archive, one core: {:.0} events/s (aim 1000000), {:.2} of reading and hashing alone, memory {before:.0} MiB before, {:.0} at most",
            rate(Duration::from_secs_f64(median)),
            floor / median,
            peak(),
        );
    }
    let journal = Journal::connect(JournalConfig::new(url, "oi-bench")).await?;
    journal.ensure_streams().await?;
    let start = Instant::now();
    put_back(&path, &journal).await?;
    println!("import: {:.0} commits/s", commits as f64 / start.elapsed().as_secs_f64());
    let broker = Source::from(journal.log());
    let bare = jetstream::new(async_nats::connect(url).await?);
    let (mut drained, mut verified, mut replayed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        drained.push(drain(&bare).await?);
        replayed.push(timed_replay(&broker).await?);
        verified.push(timed_verify(&broker).await?);
        eprintln!("round {round} of {ROUNDS}");
    }
    let (raw, ..) = spread(&drained);
    for (what, times) in [("replay", replayed), ("verify", verified)] {
        let (median, ..) = spread(&times);
        println!(
            "{what} from the broker: {:.0} events/s, {:.2} of a raw drain ({:.0}/s), aim 0.80",
            rate(Duration::from_secs_f64(median)),
            raw / median,
            rate(Duration::from_secs_f64(raw)),
        );
    }
    Ok(())
}
