//! Decisions in a row, each on the state that the ones before it give, of which nothing is
//! stored yet. They are stored together, or not at all.

use oi_domain::{State, apply};
use oi_events::{CommandEnvelope, Commit, CommitHeader, Event, Hash};
use oi_journal::{Entry, MessageError};
use oi_view::View;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Nothing is added to a draft of so many bytes. With one more commit of the largest size it
/// still fits into a message.
const FULL: usize = 256 * 1024;

/// What became of a decision that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is the last of the draft.
    Added,
    /// The log has moved on: the draft is of no use.
    Moved,
    /// No log takes a decision of so many bytes.
    TooLarge(usize),
    /// It cannot be folded: no server could go on with a log that holds it. Nothing more can be
    /// added.
    Defect,
}

/// Commits that follow the end of the log as it was when the draft began.
pub struct Draft {
    base: u64,
    head: Hash,
    /// The state after the last commit; none where that is the view's.
    state: Option<State>,
    entries: Vec<Entry>,
    size: usize,
}

impl Draft {
    /// Nothing decided yet.
    pub fn new(view: &View) -> Draft {
        let (base, head) = view.read(|s| (s.position, s.head));
        Draft { base, head, state: None, entries: Vec::new(), size: 0 }
    }

    /// The position that the first commit follows.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Looks at the state so far; none where the log has moved on.
    pub fn look<T>(&self, view: &View, look: impl FnOnce(&State) -> T) -> Option<T> {
        match &self.state {
            Some(state) => Some(look(state)),
            None => view.read(|s| (s.position == self.base).then(|| look(s))),
        }
    }

    /// Adds a decision, once it is known that it can be folded.
    pub fn push(
        &mut self,
        view: &View,
        envelope: &CommandEnvelope,
        time_ms: u64,
        events: Vec<Event>,
    ) -> Result<Pushed, MessageError> {
        let header = CommitHeader {
            command_id: envelope.id,
            correlation: envelope.correlation,
            actor: envelope.actor.clone(),
            time_ms,
            previous: self.head,
        };
        let entry = Entry::new(Commit { header, command: envelope.command.clone(), events })?;
        if entry.size() > Entry::LARGEST {
            return Ok(Pushed::TooLarge(entry.size()));
        }
        let mut state = match self.state.take() {
            Some(state) => state,
            None => match self.look(view, State::ahead) {
                Some(state) => state,
                None => return Ok(Pushed::Moved),
            },
        };
        let recorded = entry.clone().recorded(self.position() + 1);
        // What is half applied is dropped.
        let Ok(state) = catch_unwind(AssertUnwindSafe(|| {
            apply(&mut state, &recorded);
            state
        })) else {
            return Ok(Pushed::Defect);
        };
        self.state = Some(state);
        self.head = entry.hash();
        self.size += entry.size();
        self.entries.push(entry);
        Ok(Pushed::Added)
    }

    /// Where the log ends once this is stored.
    pub fn position(&self) -> u64 {
        self.base + self.entries.len() as u64
    }

    /// Whether it is large enough to be stored.
    pub fn is_full(&self) -> bool {
        self.size >= FULL
    }

    /// The commits, in order.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}
