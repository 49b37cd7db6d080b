//! The clock of a decider: see [`oi_domain::Timeline`].

use crate::metrics::Metrics;
use oi_clock::{millis, now_ms};
use oi_domain::{ClockError, Health, Timeline};
use oi_journal::BrokerClock;
use oi_view::View;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the broker's clock is read.
const READ: Duration = Duration::from_secs(2);
/// An answer that took longer does not say what time it is.
const SLOW: Duration = Duration::from_secs(1);
/// How often somebody who waits for the clocks to agree looks again.
const LOOK: Duration = Duration::from_millis(100);
/// After so many looks it is told that the broker's clock cannot be read.
const PATIENCE: u32 = 50;

/// Tells the time as long as this machine and the broker agree about it. Clones share it.
#[derive(Clone)]
pub struct Clock {
    broker: BrokerClock,
    view: View,
    began: Instant,
    timeline: Arc<Mutex<Timeline>>,
}

impl Clock {
    /// A clock that has yet to ask the broker. Clocks may differ by `limit`.
    pub(crate) fn new(broker: BrokerClock, view: View, limit: Duration) -> Clock {
        let timeline = Arc::new(Mutex::new(Timeline::new(millis(limit))));
        Clock { broker, view, began: Instant::now(), timeline }
    }

    fn timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counted(&self) -> u64 {
        millis(self.began.elapsed())
    }

    /// Unix milliseconds now.
    ///
    /// # Errors
    /// Where the clocks do not agree: nothing may be decided.
    pub fn now(&self) -> Result<u64, ClockError> {
        let logged_ms = self.view.read(|s| s.time_ms);
        self.timeline().time(now_ms(), self.counted(), logged_ms)
    }

    /// This machine's clock less the broker's, seconds; none where that is not known.
    fn skew(&self) -> Option<f64> {
        self.timeline().skew_ms(now_ms(), self.counted()).map(|ms| ms as f64 / 1000.0)
    }

    /// Reads the broker's clock again and again, without end, and tells what ages.
    pub(crate) async fn keep(self, metrics: Arc<Metrics>) {
        let mut often = tokio::time::interval(READ);
        often.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            often.tick().await;
            let asked = Instant::now();
            match self.broker.look().await {
                Ok(look) => {
                    metrics.set_log_size(&look);
                    let took = asked.elapsed();
                    if took < SLOW {
                        let half = millis(took / 2);
                        self.timeline().observe(look.now_ms.saturating_add(half), self.counted());
                    } else {
                        tracing::debug!("the broker answers too slowly to tell the time");
                    }
                }
                Err(error) => {
                    tracing::debug!(
                        error = oi_events::chain(&error),
                        "the broker's clock is not read"
                    );
                }
            }
            if let Some(skew) = self.skew() {
                metrics.clock_skew_seconds.set(skew);
            }
            if let Ok(now_ms) = self.now() {
                metrics.set_health(&self.view.read(|s| Health::of(s, now_ms)));
            }
        }
    }

    /// Waits until the clocks agree.
    pub(crate) async fn agree(&self) {
        let mut told = None;
        let mut looks = 0;
        while let Err(error) = self.now() {
            looks += 1;
            // At the start, and while the broker is away, it is not known for a moment.
            let is_passing = error == ClockError::Unread && looks < PATIENCE;
            let kind = std::mem::discriminant(&error);
            if told != Some(kind) && !is_passing {
                tracing::error!(%error, "nothing is decided");
                told = Some(kind);
            }
            tokio::time::sleep(LOOK).await;
        }
        if told.is_some() {
            tracing::info!("the clocks agree");
        }
    }

    /// Waits until the clocks do not agree any more.
    pub(crate) async fn disagree(&self) {
        while self.now().is_ok() {
            tokio::time::sleep(LOOK).await;
        }
    }
}
