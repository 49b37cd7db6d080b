//! `oi-audit replay` and `decisions`.

use super::Context;
use crate::error::Failure;
use crate::flags::{Format, Replay};
use oi_audit::{
    Decision, Moment, Source, decisions as decide_all, differences, documents, present,
    replay as fold_log,
};
use oi_events::ClusterName;
use oi_proto::{manifest, v1};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub async fn replay(c: &mut Context, flags: Replay) -> Result<bool, Failure> {
    if flags.check {
        return check(c, &flags.server).await;
    }
    if let Some(other) = &flags.with {
        return compare(c, other, flags.to).await;
    }
    let mut state = fold_log(&c.source, flags.to, c.progress()).await?;
    c.done();
    let unknown = |name: &str| Failure::Unknown(format!("cluster {name}"));
    let only: Option<ClusterName> = match &flags.cluster {
        None => None,
        Some(name) => Some(name.parse().map_err(|_| unknown(name))?),
    };
    if let Some(name) = &only
        && !state.clusters.contains_key(name)
    {
        return Err(unknown(name.as_str()));
    }
    if flags.documents {
        let text = manifest::write(&documents(&state, only.as_ref()))?;
        c.results.text(&text)?;
        return Ok(true);
    }
    let hash = state.hash();
    if let Some(only) = &only {
        state.clusters.retain(|name, _| name == only);
    }
    if flags.state {
        let mut shown = present(&state);
        if only.is_some()
            && let Some(fields) = shown.as_object_mut()
        {
            fields.remove("hypervisors");
        }
        c.results.whole(&shown)?;
        return Ok(true);
    }
    let nodes: usize = state.clusters.values().map(|c| c.nodes.len()).sum();
    c.results.one(json!({
        "position": state.position, "stateHash": hash.to_string(),
        "head": state.head.to_string(), "hypervisors": state.hypervisors.len(),
        "clusters": state.clusters.len(), "nodes": nodes,
        "owedJobs": oi_domain::owed(&state).len(),
    }))?;
    Ok(true)
}

/// Compares a replay with what a server holds at one and the same position.
async fn check(c: &mut Context, server: &str) -> Result<bool, Failure> {
    let failed =
        |e: Box<dyn std::error::Error + Send + Sync>| Failure::Server(server.to_owned(), e);
    let mut client =
        v1::oi_client::OiClient::connect(server.to_owned()).await.map_err(|e| failed(e.into()))?;
    let status = client.get_status(v1::GetStatusRequest {}).await.map_err(|e| failed(e.into()))?;
    let live = status.into_inner();
    let to = Some(Moment::Position(live.position));
    let state = fold_log(&c.source, to, c.progress()).await?;
    c.done();
    let (hash, head) = (state.hash().to_string(), state.head.to_string());
    let same = hash == live.state_hash && head == live.head;
    c.results.one(json!({
        "verdict": if same { "equal" } else { "different" }, "position": live.position,
        "replayed": hash, "live": live.state_hash,
    }))?;
    Ok(same)
}

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

/// Decisions from somewhere else, one a line.
struct Other {
    lines: std::iter::Enumerate<std::io::Lines<Box<dyn BufRead>>>,
    path: std::path::PathBuf,
    child: Option<Child>,
}

impl Other {
    /// A program is run on the same log; another file was printed by one.
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
                command.args(["--to", &oi_audit::rfc3339(ms)]);
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
        // What it may still want to say is not read: it ends then.
        drop(self.lines);
        let path = self.path;
        let status =
            child.wait().map_err(|source| Failure::Program { path: path.clone(), source })?;
        if status.success() { Ok(()) } else { Err(Failure::ProgramFailed { path, status }) }
    }
}

/// The release gate: every decision and job that would differ. False where one does.
async fn compare(c: &mut Context, with: &Path, to: Option<Moment>) -> Result<bool, Failure> {
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
                failed = Some(Failure::NotClean("the two do not tell of the same positions"));
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
    let clusters: std::collections::BTreeSet<_> =
        found.iter().flat_map(|d| d.clusters.iter().cloned()).collect();
    if c.results.format() == Format::Table {
        for d in &found {
            let about = d.clusters.iter().cloned().collect::<Vec<_>>().join(", ");
            let mut text = format!("position {} {} ({about})\n", d.position, d.command);
            let sides = [("here ", &d.here), ("there", &d.there)];
            let jobs = [("job here ", &d.jobs_here), ("job there", &d.jobs_there)];
            for (side, lines) in sides.into_iter().chain(jobs) {
                lines.iter().for_each(|line| text.push_str(&format!("  {side}  {line}\n")));
            }
            c.results.text(&text)?;
        }
        let verdict = if found.is_empty() {
            format!("all {count} decisions are the same\n")
        } else {
            let about = clusters.into_iter().collect::<Vec<_>>().join(", ");
            format!("{} of {count} decisions differ, about the clusters {about}\n", found.len())
        };
        c.results.text(&verdict)?;
    } else {
        c.results.whole(&json!({
            "decisions": count, "differing": found.len(), "clusters": clusters,
            "differences": found,
        }))?;
    }
    Ok(found.is_empty())
}
