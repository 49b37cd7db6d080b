//! Deciding each command of a log again, and comparing the decisions of two releases before
//! one of them is deployed.

use crate::moment::Moment;
use crate::read::{AuditError, fold};
use crate::source::Source;
use oi_domain::{Scope, State, decide_again, describe, owed_in};
use oi_events::{CodecError, Event, Hash, RecordedCommit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// What the rules decide for one recorded command, and the jobs that its commit owes.
///
/// Names and prose are for display; [`differences`] does not compare them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The position of the commit.
    pub position: u64,
    /// The command's kind, for display.
    pub command: String,
    /// The clusters that it is about, for display.
    pub clusters: BTreeSet<String>,
    /// The events, or the refusal, for display. Empty if the rules change nothing.
    pub outcome: Vec<String>,
    /// A digest over the events' bytes, key material included.
    pub digest: String,
    /// A digest over the events with the numbers and versions of their kinds; absent from
    /// releases that print the other digest only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<String>,
    /// Ids of the jobs that the commit, as recorded, makes owed.
    pub jobs: BTreeSet<String>,
}

/// A decision that two releases, or a release and a record, make differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The position of the commit.
    pub position: u64,
    /// The command's kind.
    pub command: String,
    /// The clusters that it is about.
    pub clusters: BTreeSet<String>,
    /// Decided here and not there.
    pub here: Vec<String>,
    /// Decided there and not here.
    pub there: Vec<String>,
    /// Jobs owed here and not there.
    pub jobs_here: Vec<String>,
    /// Jobs owed there and not here.
    pub jobs_there: Vec<String>,
}

fn words(event: &Event) -> String {
    let about = describe(event);
    let on = about.hypervisor.map(|h| format!(" on {h}")).unwrap_or_default();
    let node = about.node.map(|n| format!(" {n}")).unwrap_or_default();
    format!("{}{node}{on}: {}", event.kind().name, about.summary)
}

fn owed(state: &State, scopes: &BTreeSet<Scope>) -> BTreeSet<String> {
    scopes.iter().flat_map(|scope| owed_in(state, scope)).map(|job| job.id.0).collect()
}

fn digest(bytes: &[u8]) -> String {
    Hash::of(&[b"oi/decision/v1", bytes]).to_string()
}

/// The digest that all releases print, over the events' bytes, one after the other; and the one
/// that tells events of different kinds with the same bytes apart.
fn digests(events: &[Event]) -> Result<(String, String), CodecError> {
    let (mut plain, mut framed) = (Vec::new(), Vec::new());
    for event in events {
        let (kind, body) = (event.kind(), event.encode()?);
        framed.extend(kind.kind.to_be_bytes());
        framed.extend(kind.version.to_be_bytes());
        framed.extend((body.len() as u64).to_be_bytes());
        framed.extend_from_slice(&body);
        plain.extend(body);
    }
    Ok((digest(&plain), Hash::of(&[b"oi/decision/v2", &framed]).to_string()))
}

/// A decision whose commit is not folded in yet.
struct Pending {
    decision: Decision,
    scopes: BTreeSet<Scope>,
    owed: BTreeSet<String>,
}

impl Pending {
    fn new(state: &State, recorded: &RecordedCommit) -> Result<Pending, AuditError> {
        let commit = &recorded.commit;
        let (outcome, events) = match decide_again(state, recorded) {
            Ok(events) => (events.iter().map(words).collect(), events),
            Err(refused) => (vec![format!("refused: {refused}")], Vec::new()),
        };
        let scopes: BTreeSet<Scope> = commit.events.iter().map(Scope::of).collect();
        let clusters = commit.events.iter().filter_map(|e| describe(e).cluster);
        let position = recorded.position;
        let (plain, framed) =
            digests(&events).map_err(|source| AuditError::Encode { position, source })?;
        let decision = Decision {
            position,
            command: commit.command.kind().name.to_owned(),
            clusters: clusters.map(|c| c.to_string()).collect(),
            outcome,
            digest: plain,
            events: Some(framed),
            jobs: BTreeSet::new(),
        };
        Ok(Pending { decision, owed: owed(state, &scopes), scopes })
    }

    fn finish(self, after: &State) -> Decision {
        let now = owed(after, &self.scopes);
        Decision { jobs: now.difference(&self.owed).cloned().collect(), ..self.decision }
    }
}

/// Passes `each` what these rules decide for each recorded command up to `to`.
///
/// # Errors
/// When the log cannot be read.
pub async fn decisions(
    source: &Source,
    to: Option<Moment>,
    mut each: impl FnMut(Decision, u64) -> ControlFlow<()>,
) -> Result<(), AuditError> {
    let mut pending: Option<Pending> = None;
    let mut last = 0;
    let mut failed = None;
    let state = fold(source, to, |state, recorded, end| {
        last = end;
        let next = match Pending::new(state, recorded) {
            Ok(next) => next,
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        };
        let before = pending.replace(next);
        before.map_or(ControlFlow::Continue(()), |p| each(p.finish(state), end))
    });
    let state = state.await?;
    if let Some(error) = failed {
        return Err(error);
    }
    // If `each` ended the folding, the pending commit was not folded in.
    if let Some(p) = pending.filter(|p| p.decision.position == state.position) {
        // The last one, whether it is enough or not.
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = each(p.finish(&state), last);
    }
    Ok(())
}

impl Decision {
    /// Whether the rules refuse the command: they give a reason, and no event.
    pub fn is_refused(&self) -> bool {
        !self.outcome.is_empty() && self.digest == digest(&[])
    }

    /// Whether both refuse the command, or both decide the same events.
    fn decides_as(&self, other: &Decision) -> bool {
        let same_events = match (&self.events, &other.events) {
            (Some(here), Some(there)) => here == there,
            _ => self.digest == other.digest,
        };
        same_events && self.is_refused() == other.is_refused()
    }
}

/// How a decision here differs from one there about the same commit; none if both refuse the
/// command or decide the same events, and the same jobs are owed. The names of kinds and all
/// prose may differ: a release may rename and reword.
pub fn differences(here: &Decision, there: &Decision) -> Option<Difference> {
    let same = here.decides_as(there);
    if same && here.jobs == there.jobs {
        return None;
    }
    let lacks = |a: &[String], b: &[String]| -> Vec<String> {
        a.iter().filter(|line| !same && !b.contains(line)).cloned().collect()
    };
    let jobs = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect();
    let mut difference = Difference {
        position: here.position,
        command: here.command.clone(),
        clusters: here.clusters.union(&there.clusters).cloned().collect(),
        here: lacks(&here.outcome, &there.outcome),
        there: lacks(&there.outcome, &here.outcome),
        jobs_here: jobs(&here.jobs, &there.jobs),
        jobs_there: jobs(&there.jobs, &here.jobs),
    };
    if !same && difference.here.is_empty() && difference.there.is_empty() {
        difference.here.push(format!("other details of {}", here.outcome.join("; ")));
    }
    Some(difference)
}
