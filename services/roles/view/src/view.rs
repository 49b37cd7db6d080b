//! The folded state, kept current.

use oi_domain::{FEATURE_LEVEL, STATE_SCHEMA, State, apply};
use oi_events::{RecordedCommit, chain, from_bytes_strict};
use oi_journal::{Log, PUT_BACK, ReadError, SnapshotError, SnapshotStore};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::{broadcast, watch};

/// Store a snapshot after so many commits.
const SNAPSHOT_EVERY: u64 = 1000;
/// How many commits a slow listener may lag behind.
const BACKLOG: usize = 4096;

/// Why there is no view.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The log cannot be read.
    #[error("the log cannot be folded")]
    Read(#[from] ReadError),
    /// The log is not for this release.
    #[error(
        "the log is at level {level}, and this release knows none above {FEATURE_LEVEL}: upgrade it"
    )]
    TooNew {
        /// Its level.
        level: u16,
    },
    /// A commit does not follow the one that was folded before it.
    #[error(
        "position {position} of the log does not follow what was read before it: the broker has another log now. {PUT_BACK}"
    )]
    Unchained {
        /// Where.
        position: u64,
    },
    /// What was read of the log before is not in it any more.
    #[error(
        "the broker's log ends at position {end}, and position {position} of it is known: an older one was put back, or the broker lost what it had confirmed. {PUT_BACK}"
    )]
    Shorter {
        /// The last position that is there.
        end: u64,
        /// The last position that is known.
        position: u64,
    },
    /// A commit is not the one that was read there before.
    #[error(
        "position {position} of the broker's log is not the commit that is known from there: the broker has another log now. {PUT_BACK}"
    )]
    Replaced {
        /// Where.
        position: u64,
    },
    /// A commit shows a defect of the rules, and the state is of no use any more.
    #[error(
        "position {position} of the log cannot be folded, which is a defect of oi: this server's log says more; report it"
    )]
    Defect {
        /// Where.
        position: u64,
    },
    /// The view is no longer kept.
    #[error("the view is no longer kept current")]
    Stopped,
}

impl ViewError {
    /// Whether the broker has another log than the one that is known: no restart helps.
    pub fn is_another_log(&self) -> bool {
        match self {
            ViewError::Read(error) => error.is_another_log(),
            ViewError::Unchained { .. }
            | ViewError::Shorter { .. }
            | ViewError::Replaced { .. } => true,
            ViewError::TooNew { .. } | ViewError::Defect { .. } | ViewError::Stopped => false,
        }
    }
}

/// The state at the end of the log. Clones share it.
#[derive(Clone)]
pub struct View {
    state: Arc<RwLock<State>>,
    position: watch::Sender<u64>,
    commits: broadcast::Sender<Arc<RecordedCommit>>,
}

/// The last snapshot of the state, if there is one.
async fn snapshot(snapshots: &SnapshotStore) -> Result<Option<State>, SnapshotError> {
    let Some((position, bytes)) = snapshots.get(STATE_SCHEMA).await? else { return Ok(None) };
    let state: State = from_bytes_strict(&bytes).map_err(SnapshotError::Damaged)?;
    Ok((state.position == position).then_some(state))
}

/// A release that does not know the log's level must not go on.
fn check(state: &State) -> Result<(), ViewError> {
    let level = state.level();
    if level > FEATURE_LEVEL { Err(ViewError::TooNew { level }) } else { Ok(()) }
}

impl View {
    /// Folds the log up to its present end, from a snapshot where there is a usable
    /// one.
    ///
    /// # Errors
    /// Where the log cannot be read, or ends before a snapshot of it ([`ViewError::Shorter`]).
    pub async fn load(log: &Log, snapshots: &SnapshotStore) -> Result<View, ViewError> {
        // Before the end: another decider may store one meanwhile.
        let snapshot = snapshot(snapshots).await;
        let end = log.last_position().await?;
        let mut state = match snapshot {
            Ok(Some(State { position, .. })) if position > end => {
                return Err(ViewError::Shorter { end, position });
            }
            Ok(snapshot) => snapshot.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(error = chain(&error), "snapshot ignored");
                State::default()
            }
        };
        // Where commits follow, they say whether it belongs to this log.
        if state.position > 0 && state.position == end {
            let last = log.commit_at(end).await?;
            if last.is_none_or(|last| last.hash != state.head) {
                tracing::warn!(position = end, "snapshot does not fit the log");
                return Self::load_from_start(log, end).await;
            }
        }
        let from = state.position + 1;
        let mut replay = log.replay(from, end).await?;
        while let Some(recorded) = replay.next().await? {
            if recorded.commit.header.previous != state.head {
                // The snapshot does not belong to this log: fold from the start.
                tracing::warn!(position = state.position, "snapshot does not fit the log");
                return Self::load_from_start(log, end).await;
            }
            apply(&mut state, &recorded);
        }
        tracing::info!(from, position = state.position, "log folded");
        View::new(state)
    }

    async fn load_from_start(log: &Log, end: u64) -> Result<View, ViewError> {
        let mut state = State::default();
        let mut replay = log.replay(1, end).await?;
        while let Some(recorded) = replay.next().await? {
            if recorded.commit.header.previous != state.head {
                return Err(ViewError::Unchained { position: recorded.position });
            }
            apply(&mut state, &recorded);
        }
        View::new(state)
    }

    fn new(state: State) -> Result<View, ViewError> {
        check(&state)?;
        Ok(View {
            position: watch::Sender::new(state.position),
            state: Arc::new(RwLock::new(state)),
            commits: broadcast::Sender::new(BACKLOG),
        })
    }

    /// Follows the log until dropped, and stores snapshots if it is given a place for them.
    ///
    /// # Errors
    /// When the log cannot be followed.
    pub async fn keep(
        &self,
        log: &Log,
        snapshots: Option<&SnapshotStore>,
    ) -> Result<(), ViewError> {
        let mut follower = log.follow(self.position() + 1);
        loop {
            let recorded = follower.next().await?;
            let position = recorded.position;
            self.fold(recorded)?;
            self.read(check)?;
            if let Some(snapshots) = snapshots
                && position.is_multiple_of(SNAPSHOT_EVERY)
            {
                self.store_snapshot(snapshots.clone());
            }
        }
    }

    fn store_snapshot(&self, snapshots: SnapshotStore) {
        let (position, bytes) = self.read(|s| (s.position, oi_events::to_bytes(s)));
        tokio::spawn(async move {
            let stored = match bytes {
                Ok(bytes) => snapshots.put(STATE_SCHEMA, position, bytes).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = stored {
                tracing::warn!(error = chain(&error), "no snapshot stored");
            }
        });
    }

    /// Folds a commit, unless it is folded already.
    ///
    /// # Errors
    /// [`ViewError::Unchained`] where it is of another log. [`ViewError::Defect`] for this and each
    /// later commit where it cannot be folded.
    pub fn fold(&self, recorded: RecordedCommit) -> Result<(), ViewError> {
        let position = recorded.position;
        let folded = catch_unwind(AssertUnwindSafe(|| self.apply(&recorded)));
        let Ok(is_new) = folded else { return Err(ViewError::Defect { position }) };
        if !is_new? {
            return Ok(());
        }
        if self.commits.send(Arc::new(recorded)).is_err() {
            tracing::trace!(position, "nobody listens");
        }
        self.position.send_replace(position);
        Ok(())
    }

    /// Whether the commit was new. A panic poisons the lock: nothing is folded onto what is half
    /// applied.
    fn apply(&self, recorded: &RecordedCommit) -> Result<bool, ViewError> {
        let position = recorded.position;
        let mut state = self.state.write().map_err(|_| ViewError::Defect { position })?;
        if position != state.position + 1 {
            return Ok(false);
        }
        if recorded.commit.header.previous != state.head {
            return Err(ViewError::Unchained { position });
        }
        apply(&mut state, recorded);
        Ok(true)
    }

    /// Looks at the state. Keep it short: folding waits.
    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The position of the last commit folded in.
    pub fn position(&self) -> u64 {
        *self.position.borrow()
    }

    /// Waits until a position is folded in.
    ///
    /// # Errors
    /// Where that can no longer happen.
    pub async fn wait_for(&self, position: u64) -> Result<(), ViewError> {
        let mut watch = self.position.subscribe();
        watch.wait_for(|p| *p >= position).await.map(drop).map_err(|_| ViewError::Stopped)
    }

    /// Tells of each new position.
    pub fn positions(&self) -> watch::Receiver<u64> {
        self.position.subscribe()
    }

    /// Each commit from now on, in order; a listener that lags too far is told so.
    pub fn commits(&self) -> broadcast::Receiver<Arc<RecordedCommit>> {
        self.commits.subscribe()
    }
}
