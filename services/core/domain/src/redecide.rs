//! Deciding again what was decided: for audits, and before a release with other rules.

use crate::decide::{Context, decide_command};
use crate::describe::describe;
use crate::mint::{Ca, Leaf, Mint, MintError};
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{ClusterUid, Credential, Event, FeatureLevelEvent, RecordedCommit};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

/// How these rules differ from what was recorded.
#[derive(Debug, thiserror::Error)]
pub enum Differs {
    /// They refuse the command.
    #[error("the rules refuse its command")]
    Rejected(#[source] Rejection),
    /// They give other events.
    #[error("the rules give «{rules}» where it holds «{holds}»")]
    Events {
        /// The first event that the rules give and the commit does not hold.
        rules: String,
        /// What the commit holds in its place.
        holds: String,
    },
}

/// Gives out the credentials that were recorded, by name and in their order: what was
/// minted then is not decided again.
struct Recorded(RefCell<BTreeMap<String, VecDeque<Credential>>>);

impl Recorded {
    fn of(events: &[Event]) -> Recorded {
        let mut all: BTreeMap<String, VecDeque<Credential>> = BTreeMap::new();
        let credentials = events.iter().flat_map(|event| event.facts().credentials);
        for credential in credentials {
            all.entry(credential.name.clone()).or_default().push_back(credential.clone());
        }
        Recorded(RefCell::new(all))
    }

    fn next(&self, name: &str) -> Result<Credential, MintError> {
        let next = self.0.borrow_mut().get_mut(name).and_then(VecDeque::pop_front);
        next.ok_or_else(|| MintError {
            what: name.to_owned(),
            source: "the commit holds no such credential".into(),
        })
    }
}

impl Mint for Recorded {
    fn ca(&self, _: ClusterUid, authority: Ca) -> Result<Credential, MintError> {
        self.next(authority.name())
    }
    fn key_pair(&self, _: ClusterUid, name: &str) -> Result<Credential, MintError> {
        self.next(name)
    }
    fn secret(&self, _: ClusterUid, name: &str) -> Result<Credential, MintError> {
        self.next(name)
    }
    fn reseal(
        &self,
        _: ClusterUid,
        credential: &Credential,
        _: ClusterUid,
    ) -> Result<Credential, MintError> {
        self.next(&credential.name)
    }
    fn leaf(&self, _: ClusterUid, _: &Credential, leaf: &Leaf) -> Result<Credential, MintError> {
        self.next(leaf.name())
    }
}

/// What these rules give for a recorded command, with the credentials that were minted
/// then. `state` is the state before the commit.
///
/// # Errors
/// Where they refuse it.
pub fn decide_again(state: &State, recorded: &RecordedCommit) -> Result<Vec<Event>, Rejection> {
    let commit = &recorded.commit;
    let header = &commit.header;
    let mint = Recorded::of(&commit.events);
    // When it was sent and what it expected was checked, and is not recorded.
    let begins = match commit.events.first() {
        Some(Event::FeatureLevel(FeatureLevelEvent::FeatureLevelRaised(e)))
            if state.position == 0 =>
        {
            Some(e.level)
        }
        _ => None,
    };
    let context = Context { now_ms: header.time_ms, mint: &mint, begins };
    decide_command(state, header.command_id, &commit.command, &context)
}

fn words(event: Option<&Event>) -> String {
    let Some(event) = event else { return "nothing more".to_owned() };
    let about = describe(event);
    let kind = event.kind().name;
    let about = [
        about.cluster.map(|c| c.to_string()),
        about.node.map(|n| n.to_string()),
        about.hypervisor.map(|h| h.to_string()),
        Some(about.summary),
    ];
    format!("{kind} {}", about.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// Whether these rules give what a commit holds. `state` is the state before it.
///
/// # Errors
/// How they differ.
pub fn recheck(state: &State, recorded: &RecordedCommit) -> Result<(), Differs> {
    let rules = match decide_again(state, recorded) {
        Ok(rules) => rules,
        // Whoever decided it knew no such reason.
        Err(rejection) if rejection.since() > state.level() => return Ok(()),
        Err(rejection) => return Err(Differs::Rejected(rejection)),
    };
    let holds = &recorded.commit.events;
    if rules == *holds {
        return Ok(());
    }
    let first = rules.iter().zip(holds).take_while(|(a, b)| a == b).count();
    Err(Differs::Events { rules: words(rules.get(first)), holds: words(holds.get(first)) })
}
