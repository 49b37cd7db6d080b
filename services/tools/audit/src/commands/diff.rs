//! `oi-audit diff` and `bisect`.

use super::Context;
use crate::error::Failure;
use crate::flags::{Diff, Format};
use oi_audit::{Condition, Moment, fold, replay};
use oi_domain::State;
use oi_inspect::{Side, changes, entries, unified};
use serde_json::json;
use std::io::IsTerminal;
use std::ops::ControlFlow;

/// A moment, or a cluster at a moment.
async fn side(c: &Context, text: &str, only: Option<&str>) -> Result<Side, Failure> {
    if let Ok(moment) = text.parse::<Moment>() {
        return Ok(Side::of(&replay(&c.source, Some(moment), c.progress()).await?, only)?);
    }
    let (name, moment) = match text.split_once('@') {
        Some((name, moment)) => (name, Some(moment.parse::<Moment>()?)),
        None => (text, None),
    };
    let side = Side::of(&replay(&c.source, moment, c.progress()).await?, Some(name))?;
    if side.value.is_null() {
        return Err(Failure::Unknown(format!("cluster {name}")));
    }
    Ok(Side { title: format!("cluster {name} at {}", side.title), ..side })
}

/// Prints what differs. True also where something does.
pub async fn diff(c: &mut Context, flags: Diff) -> Result<bool, Failure> {
    let only = flags.cluster.as_deref();
    let before = side(c, &flags.before, only).await?;
    let after = side(c, &flags.after, only).await?;
    c.done();
    if c.results.format() == Format::Table {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let (a, b) = (before.yaml()?, after.yaml()?);
        c.results.text(&unified((&before.title, &a), (&after.title, &b), colour))?;
    } else {
        let changes = changes(&before.value, &after.value);
        c.results
            .whole(&json!({"before": before.title, "after": after.title, "changes": changes}))?;
    }
    Ok(true)
}

/// Prints the first commit after which a condition holds; false where it never does.
pub async fn bisect(c: &mut Context, when: &str) -> Result<bool, Failure> {
    let condition = Condition::parse(when)?;
    let mut seen = c.progress();
    let mut failed = None;
    // The commit that was folded last, whose state the next call shows.
    let mut last = None;
    let mut found = None;
    let mut holds = |state: &State| match condition.holds(state) {
        Ok(holds) => holds,
        Err(error) => {
            failed = Some(error);
            true
        }
    };
    let state = fold(&c.source, None, |state, recorded, end| {
        seen(recorded.position, end);
        if holds(state) {
            found = Some(last.take());
            return ControlFlow::Break(());
        }
        last = Some(recorded.clone());
        ControlFlow::Continue(())
    })
    .await?;
    if found.is_none() && holds(&state) {
        found = Some(last.take());
    }
    c.done();
    if let Some(error) = failed {
        return Err(error.into());
    }
    match found {
        None => {
            eprintln!("it never holds, up to position {}", state.position);
            Ok(false)
        }
        Some(None) => {
            eprintln!("it holds before the first commit");
            Ok(true)
        }
        Some(Some(recorded)) => {
            for entry in entries(&recorded) {
                c.results.line(&entry)?;
            }
            Ok(true)
        }
    }
}
