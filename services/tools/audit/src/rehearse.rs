//! What these rules make of a log, decision by decision: for comparing two releases
//! before one of them is let loose.

use crate::moment::Moment;
use crate::read::{AuditError, fold};
use crate::source::Source;
use oi_domain::{Scope, State, decide_again, describe, owed_in};
use oi_events::{Event, Hash, RecordedCommit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// What the rules decide for one recorded command, and the jobs that its commit owes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The position of the commit.
    pub position: u64,
    /// The command's kind.
    pub command: String,
    /// The clusters that it is about.
    pub clusters: BTreeSet<String>,
    /// What happens by the rules, in words; the refusal where they refuse.
    pub outcome: Vec<String>,
    /// A digest over the events by the rules, keys included.
    pub digest: String,
    /// Ids of the jobs that are owed after the commit as recorded, and were not before.
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
    /// What is decided here and not there.
    pub here: Vec<String>,
    /// What is decided there and not here.
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

/// A decision whose commit is not folded in yet.
struct Pending {
    decision: Decision,
    scopes: BTreeSet<Scope>,
    owed: BTreeSet<String>,
}

impl Pending {
    fn new(state: &State, recorded: &RecordedCommit) -> Pending {
        let commit = &recorded.commit;
        let (outcome, bytes) = match decide_again(state, recorded) {
            Ok(events) => {
                let bytes = events.iter().flat_map(|e| e.encode().unwrap_or_default()).collect();
                (events.iter().map(words).collect(), bytes)
            }
            Err(refused) => (vec![format!("refused: {refused}")], Vec::new()),
        };
        let scopes: BTreeSet<Scope> = commit.events.iter().map(Scope::of).collect();
        let clusters = commit.events.iter().filter_map(|e| describe(e).cluster);
        let decision = Decision {
            position: recorded.position,
            command: commit.command.kind().name.to_owned(),
            clusters: clusters.map(|c| c.to_string()).collect(),
            outcome,
            digest: Hash::of(&[b"oi/decision/v1", &bytes]).to_string(),
            jobs: BTreeSet::new(),
        };
        Pending { decision, owed: owed(state, &scopes), scopes }
    }

    fn finish(self, after: &State) -> Decision {
        let now = owed(after, &self.scopes);
        Decision { jobs: now.difference(&self.owed).cloned().collect(), ..self.decision }
    }
}

/// Tells `each` what these rules decide for each recorded command up to `to`.
///
/// # Errors
/// Where the log cannot be read.
pub async fn decisions(
    source: &Source,
    to: Option<Moment>,
    mut each: impl FnMut(Decision, u64) -> ControlFlow<()>,
) -> Result<(), AuditError> {
    let mut pending: Option<Pending> = None;
    let mut last = 0;
    let state = fold(source, to, |state, recorded, end| {
        last = end;
        let before = pending.replace(Pending::new(state, recorded));
        before.map_or(ControlFlow::Continue(()), |p| each(p.finish(state), end))
    });
    let state = state.await?;
    // Where `each` had enough, what is pending was not folded in.
    if let Some(p) = pending.filter(|p| p.decision.position == state.position) {
        let _ = each(p.finish(&state), last);
    }
    Ok(())
}

/// How a decision here differs from one there about the same commit; none where it does
/// not.
pub fn differences(here: &Decision, there: &Decision) -> Option<Difference> {
    if here == there {
        return None;
    }
    let lacks = |a: &[String], b: &[String]| -> Vec<String> {
        a.iter().filter(|line| !b.contains(line)).cloned().collect()
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
    if difference.here.is_empty() && difference.there.is_empty() && here.digest != there.digest {
        difference.here.push(format!("other details of {}", here.outcome.join("; ")));
    }
    Some(difference)
}
