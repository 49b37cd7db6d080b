//! The commands that were decided, so that each is decided once.

use oi_events::CommandId;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// How many processed command ids are remembered.
pub const PROCESSED_HORIZON: usize = 65_536;

/// The commands that were decided, the last [`PROCESSED_HORIZON`] of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "ProcessedInOrder")]
pub struct Processed {
    order: VecDeque<Decided>,
    horizon_ms: u64,
    #[serde(skip)]
    by_id: BTreeMap<CommandId, u64>,
}

/// A command that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Decided {
    id: CommandId,
    position: u64,
    time_ms: u64,
}

/// What is stored of [`Processed`].
#[derive(Deserialize)]
pub(crate) struct ProcessedInOrder {
    order: VecDeque<Decided>,
    horizon_ms: u64,
}

impl From<ProcessedInOrder> for Processed {
    fn from(stored: ProcessedInOrder) -> Processed {
        let ProcessedInOrder { order, horizon_ms } = stored;
        let by_id = order.iter().map(|decided| (decided.id, decided.position)).collect();
        Processed { order, horizon_ms, by_id }
    }
}

impl Processed {
    /// Where a command was decided, if it was and is remembered.
    pub fn position(&self, id: &CommandId) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    /// The newest commit time that is no longer remembered, Unix milliseconds, but none that later
    /// commits go back from. A command issued before it might have been decided.
    pub fn horizon_ms(&self) -> u64 {
        self.horizon_ms
    }

    /// The same without the commands.
    pub(crate) fn horizon_only(&self) -> Processed {
        Processed { horizon_ms: self.horizon_ms, ..Processed::default() }
    }

    pub(crate) fn insert(&mut self, id: CommandId, position: u64, time_ms: u64) {
        self.by_id.insert(id, position);
        self.order.push_back(Decided { id, position, time_ms });
        if self.order.len() > PROCESSED_HORIZON
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest.id);
            self.horizon_ms = self.horizon_ms.max(self.forgotten_ms(oldest.time_ms));
        }
    }

    /// The time of a commit that is forgotten, but none later than that of one after it: a clock
    /// that was ahead once would make what is sent today too old.
    fn forgotten_ms(&self, time_ms: u64) -> u64 {
        match self.order.back() {
            // Times hardly ever go back.
            Some(newest) if newest.time_ms < time_ms => {
                self.order.iter().map(|later| later.time_ms).fold(time_ms, u64::min)
            }
            _ => time_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> CommandId {
        CommandId(uuid::Uuid::from_u128(n.into()))
    }

    #[test]
    fn one_commit_that_is_dated_ahead_does_not_move_the_horizon() {
        let mut processed = Processed::default();
        let remembered = PROCESSED_HORIZON as u64;
        processed.insert(id(0), 1, 1_000_000_000);
        for n in 1..=remembered {
            processed.insert(id(n), n + 1, 1_000 + n);
        }
        assert_eq!(processed.position(&id(0)), None, "it is forgotten");
        assert_eq!(processed.horizon_ms(), 1_001);
        processed.insert(id(remembered + 1), remembered + 2, 2_000 + remembered);
        assert_eq!(processed.horizon_ms(), 1_001, "what is forgotten next is of that time");
    }
}
