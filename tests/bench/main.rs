//! `oi-bench`: ratios against a bare baseline in the same run. Started by the scripts
//! beside it, which set up what it needs.

mod audit;
mod bare;
mod commands;
mod journal;
mod platform;
mod ready;
mod scale;

use std::process::ExitCode;
use std::time::Duration;

/// Whatever went wrong ends the run.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Median and extremes.
pub fn spread(samples: &[Duration]) -> (f64, f64, f64) {
    let mut seconds: Vec<f64> = samples.iter().map(Duration::as_secs_f64).collect();
    seconds.sort_by(f64::total_cmp);
    match seconds.as_slice() {
        [] => (0.0, 0.0, 0.0),
        [first, .., last] => (seconds[seconds.len() / 2], *first, *last),
        [one] => (*one, *one, *one),
    }
}

/// One line: both medians with their spread, and the ratio with its aim.
pub fn report(what: &str, bare: &[Duration], ours: &[Duration], aim: f64, unit: &str) {
    let ((b, b0, b1), (o, o0, o1)) = (spread(bare), spread(ours));
    println!(
        "{what:<28} bare {b:.3} {unit} ({b0:.3} to {b1:.3})   oi {o:.3} {unit} ({o0:.3} to {o1:.3})   ratio {:.2}, aim {aim:.2}",
        o / b
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["time-to-ready", runs] => ready::run(runs).await,
        ["audit", events, url, dir] => audit::run(events, url, dir).await,
        ["journal", bare_url, url] => journal::run(bare_url, url).await,
        ["scale", clusters, url, dir] => scale::run(clusters, url, dir).await,
        ["commands", what, bare_url, url] => commands::throughput(what, bare_url, url).await,
        ["latency", bare_url, url, dir] => commands::latency(bare_url, url, dir).await,
        ["bare", runs] => ready::bare(runs).await,
        _ => Err(
            "usage: oi-bench time-to-ready RUNS | bare RUNS | journal BARE_URL URL | audit EVENTS URL DIR | scale CLUSTERS URL DIR | commands NAME BARE_URL URL | latency BARE_URL URL DIR".into(),
        ),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
