//! `oi-audit log`, `timeline` and `explain`.

use super::Context;
use crate::error::Failure;
use crate::flags::Log;
use oi_audit::{AuditError, Cause, Causes, Filter, Moment, decode, fold};
use oi_events::RecordedCommit;
use oi_inspect::{Entry, TimelineStep, entries, timeline_step};
use serde_json::json;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

fn time(moment: Option<Moment>) -> Result<Option<u64>, Failure> {
    match moment {
        None => Ok(None),
        Some(Moment::Time(ms)) => Ok(Some(ms)),
        Some(Moment::Position(_)) => Err(Failure::NoTime),
    }
}

fn print(c: &mut Context, filter: &Filter, recorded: &RecordedCommit) -> Result<(), Failure> {
    let wanted = entries(recorded);
    for entry in wanted.iter().filter(|e| filter.wants(e)) {
        c.results.line(entry)?;
    }
    Ok(())
}

/// Prints events.
pub async fn log(c: &mut Context, flags: Log) -> Result<bool, Failure> {
    let filter = Filter {
        since_ms: time(flags.since)?,
        until_ms: time(flags.until)?,
        cluster: flags.cluster,
        node: flags.node,
        hypervisor: flags.hypervisor,
        actor: flags.actor,
        kind: flags.kind,
        command: flags.command,
    };
    let from = flags.from.max(1);
    if flags.follow {
        let mut follower = c.log()?.follow(from);
        loop {
            let recorded = follower.next().await.map_err(AuditError::from)?;
            print(c, &filter, &recorded)?;
            c.results.finish()?;
        }
    }
    let end = c.source.end().await?;
    let mut commits = c.source.commits(flags.to.unwrap_or(end).min(end)).await?;
    while let Some(stored) = commits.next().await? {
        if stored.position >= from {
            print(c, &filter, &decode(stored)?)?;
        }
    }
    Ok(true)
}

/// Prints what happened to a cluster, and how long it took.
pub async fn timeline(c: &mut Context, cluster: &str) -> Result<bool, Failure> {
    let mut seen = c.progress();
    let mut all: Vec<TimelineStep> = Vec::new();
    let each = |_: &oi_domain::State, recorded: &RecordedCommit, end| {
        seen(recorded.position, end);
        all.extend(timeline_step(recorded, cluster));
        ControlFlow::Continue(())
    };
    fold(&c.source, None, each).await?;
    c.done();
    if all.is_empty() {
        return Err(Failure::Unknown(format!("cluster {cluster}")));
    }
    all.sort_by_key(|step| (step.start_ms, step.position));
    let begin = all.first().map(|s| s.start_ms).unwrap_or_default();
    all.iter().try_for_each(|step| c.results.timeline_step(step, begin))?;
    Ok(true)
}

/// Prints the way from a commit back to the order that led to it, the commit first.
pub async fn explain(c: &mut Context, what: &str) -> Result<bool, Failure> {
    let mut seen = c.progress();
    let mut causes = Causes::default();
    let state = fold(&c.source, None, |state, recorded, end| {
        seen(recorded.position, end);
        causes.take(state, recorded);
        ControlFlow::Continue(())
    });
    let state = state.await?;
    let unknown = || Failure::Unknown(what.to_owned());
    let position = Causes::find(&state, what).ok_or_else(unknown)?;
    let chain = causes.chain(position);
    if chain.is_empty() {
        return Err(unknown());
    }
    // Their texts, in a second pass: the whole log need not be kept.
    let mut texts: BTreeMap<u64, Vec<Entry>> = BTreeMap::new();
    let mut commits = c.source.commits(position).await?;
    while let Some(stored) = commits.next().await? {
        let at = stored.position;
        if chain.iter().any(|(position, _)| *position == at) {
            texts.insert(at, entries(&decode(stored)?));
        }
    }
    c.done();
    let mut steps = Vec::new();
    for (position, cause) in &chain {
        let entries = texts.remove(position).unwrap_or_default();
        let Some(first) = entries.first() else { continue };
        let events: Vec<_> =
            entries.iter().map(|e| format!("{}: {}", e.event, e.summary)).collect();
        steps.push(json!({
            "position": position, "time": first.time, "actor": first.actor,
            "command": first.command, "commandId": first.command_id,
            "because": because(*cause, &first.actor), "events": events,
        }));
    }
    c.results.steps(&steps)?;
    Ok(true)
}

fn because(cause: Cause, actor: &str) -> String {
    match cause {
        Cause::Asked => format!("{actor} asked for it"),
        Cause::Job => "a job ended that this commit owed:".to_owned(),
        Cause::Seen => "a worker saw it, while it watched over what this commit made:".to_owned(),
        Cause::Due => "it was due after this commit:".to_owned(),
        Cause::Follows => "it belongs to this command:".to_owned(),
    }
}
