//! `oi-audit decisions`, and `oi-audit replay --with`.

use super::Context;
use crate::error::Failure;
use crate::flags::Format;
use crate::output::{OutputError, Results};
use oi_audit::{Decision, Difference, Moment, Source, decisions as decide_all, differences};
use oi_inspect::rfc3339;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Prints decisions as lines of JSON, whatever the format asked for.
pub async fn decisions(c: &mut Context, to: Option<Moment>) -> Result<bool, Failure> {
    let mut failed = None;
    let mut seen = c.progress();
    let results = &mut c.results;
    let each = |decision: Decision, end: u64| {
        seen(decision.position, end);
        match results.json_line(&decision) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    };
    decide_all(&c.source, to, each).await?;
    failed.map_or(Ok(true), |error| Err(error.into()))
}

/// Decisions of another release, one per line.
struct Other {
    lines: std::iter::Enumerate<std::io::Lines<Box<dyn BufRead>>>,
    path: std::path::PathBuf,
    child: Option<Child>,
}

impl Other {
    /// Runs a program on the same log, or reads what one printed.
    fn open(c: &Context, path: &Path, to: Option<Moment>) -> Result<Other, Failure> {
        let file = |source| Failure::File { path: path.to_owned(), source };
        let mode = std::fs::metadata(path).map_err(file)?.permissions().mode();
        let (input, child): (Box<dyn BufRead>, _) = if mode & 0o111 == 0 {
            (Box::new(BufReader::new(std::fs::File::open(path).map_err(file)?)), None)
        } else {
            let run = |source| Failure::Program { path: path.to_owned(), source };
            let mut command = Command::new(path);
            match &c.source {
                Source::Archive(archive) => command.arg("--archive").arg(archive),
                Source::Broker(_) => command.args(["--nats-url", &c.nats_url]),
            };
            command.arg("decisions");
            if let Some(Moment::Position(to)) = to {
                command.args(["--to", &to.to_string()]);
            }
            if let Some(Moment::Time(ms)) = to {
                command.args(["--to", &rfc3339(ms)]);
            }
            let mut child = command.stdout(Stdio::piped()).spawn().map_err(run)?;
            let output =
                child.stdout.take().ok_or_else(|| run(std::io::ErrorKind::Other.into()))?;
            (Box::new(BufReader::new(output)), Some(child))
        };
        Ok(Other { lines: input.lines().enumerate(), path: path.to_owned(), child })
    }

    fn next(&mut self) -> Result<Option<Decision>, Failure> {
        let Some((number, line)) = self.lines.next() else { return Ok(None) };
        let file = |source| Failure::File { path: self.path.clone(), source };
        let line = line.map_err(file)?;
        serde_json::from_str(&line).map(Some).map_err(|source| Failure::Decision {
            path: self.path.clone(),
            line: number + 1,
            source,
        })
    }

    fn finish(self) -> Result<(), Failure> {
        let Some(mut child) = self.child else { return Ok(()) };
        // Its further output is not read, so it ends.
        drop(self.lines);
        let path = self.path;
        let status =
            child.wait().map_err(|source| Failure::Program { path: path.clone(), source })?;
        if status.success() { Ok(()) } else { Err(Failure::ProgramFailed { path, status }) }
    }
}

/// The release gate: prints every decision and job that differs. False if one does.
pub async fn compare(c: &mut Context, with: &Path, to: Option<Moment>) -> Result<bool, Failure> {
    // So that both see the same log, however it grows meanwhile.
    let to = match to {
        None => Some(Moment::Position(c.source.end().await?)),
        to => to,
    };
    let mut other = Other::open(c, with, to)?;
    let (mut found, mut failed, mut count) = (Vec::new(), None, 0_u64);
    let mut seen = c.progress();
    let each = |here: Decision, end: u64| {
        seen(here.position, end);
        count += 1;
        match other.next() {
            Ok(Some(there)) if there.position == here.position => {
                found.extend(differences(&here, &there));
                ControlFlow::Continue(())
            }
            Ok(_) => {
                failed = Some(Failure::NotClean("the two do not list the same positions"));
                ControlFlow::Break(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    };
    decide_all(&c.source, to, each).await?;
    c.done();
    let ended = other.finish();
    if let Some(failure) = failed {
        return Err(failure);
    }
    ended?;
    print(&mut c.results, &found, count)?;
    Ok(found.is_empty())
}

fn print(results: &mut Results, found: &[Difference], count: u64) -> Result<(), OutputError> {
    let clusters: BTreeSet<_> = found.iter().flat_map(|d| d.clusters.iter().cloned()).collect();
    if results.format() != Format::Table {
        return results.whole(&json!({
            "decisions": count, "differing": found.len(), "clusters": clusters,
            "differences": found,
        }));
    }
    for difference in found {
        results.text(&text(difference))?;
    }
    let verdict = if found.is_empty() {
        format!("all {count} decisions are the same\n")
    } else {
        let about = clusters.into_iter().collect::<Vec<_>>().join(", ");
        format!("{} of {count} decisions differ, about the clusters {about}\n", found.len())
    };
    results.text(&verdict)
}

fn text(d: &Difference) -> String {
    let about = d.clusters.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut text = format!("position {} {} ({about})\n", d.position, d.command);
    let sides = [
        ("here ", &d.here),
        ("there", &d.there),
        ("job here ", &d.jobs_here),
        ("job there", &d.jobs_there),
    ];
    for (side, lines) in sides {
        lines.iter().for_each(|line| text.push_str(&format!("  {side}  {line}\n")));
    }
    text
}
