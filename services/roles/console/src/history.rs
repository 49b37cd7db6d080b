//! States of the past, folded from the nearest one that is remembered.

use oi_domain::{State, apply};
use oi_journal::{Log, ReadError};
use oi_view::View;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A state is remembered each so many positions, so that dragging a slider folds little.
const STRIDE: u64 = 256;
/// As many are remembered; when there are more, every second one is forgotten.
const MOST: usize = 128;

/// Why a past state cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    /// It has not happened yet.
    #[error("position {asked} is not there: the log ends at {end}")]
    Beyond {
        /// What was asked for.
        asked: u64,
        /// The end of the log.
        end: u64,
    },
}

/// Past states of a log. Clones share what is remembered.
#[derive(Clone)]
pub struct History {
    log: Log,
    view: View,
    remembered: Arc<Mutex<Remembered>>,
}

struct Remembered {
    states: BTreeMap<u64, State>,
    stride: u64,
}

impl History {
    /// Nothing remembered yet.
    pub fn new(log: Log, view: View) -> History {
        let remembered = Remembered { states: BTreeMap::new(), stride: STRIDE };
        History { log, view, remembered: Arc::new(Mutex::new(remembered)) }
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The present.
    pub fn view(&self) -> &View {
        &self.view
    }

    fn nearest(&self, position: u64) -> State {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let nearest = remembered.states.range(..=position).next_back();
        nearest.map(|(_, state)| state.clone()).unwrap_or_default()
    }

    fn remember(&self, state: &State) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.position.is_multiple_of(remembered.stride) {
            return;
        }
        remembered.states.insert(state.position, state.clone());
        if remembered.states.len() > MOST {
            remembered.stride *= 2;
            let stride = remembered.stride;
            remembered.states.retain(|position, _| position.is_multiple_of(stride));
        }
    }

    /// The state after the commit at a position.
    ///
    /// # Errors
    /// Where that is not there, or cannot be read.
    pub async fn at(&self, position: u64) -> Result<State, HistoryError> {
        let end = self.view.position();
        if position > end {
            return Err(HistoryError::Beyond { asked: position, end });
        }
        if position == end {
            let state = self.view.read(State::clone);
            if state.position == position {
                return Ok(state);
            }
        }
        let mut state = self.nearest(position);
        let mut replay = self.log.replay(state.position + 1, position).await?;
        while let Some(recorded) = replay.next().await? {
            apply(&mut state, &recorded);
            self.remember(&state);
        }
        Ok(state)
    }
}
