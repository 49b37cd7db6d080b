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

    /// The newest commit time that is no longer remembered, Unix milliseconds. A
    /// command issued before it might have been decided.
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
            self.horizon_ms = self.horizon_ms.max(oldest.time_ms);
        }
    }
}
