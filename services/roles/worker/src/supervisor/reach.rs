//! Whether a hypervisor answers.

use crate::place::Place;
use oi_domain::Reach;
use oi_events::{Observation, chain};
use std::time::{Duration, Instant};

/// How long a hypervisor must be silent to be reported. A number of failed looks would say
/// little, because events make looks frequent.
const SILENT: Duration = Duration::from_secs(10);

/// Since when a hypervisor is silent.
#[derive(Default)]
pub struct Reachability {
    silent_since: Option<Instant>,
}

impl Reachability {
    /// Asks the hypervisor. Returns what the state does not know yet: that it has been silent for
    /// a while, or answers again.
    pub async fn check(&mut self, place: &Place) -> Option<Observation> {
        let asked = Instant::now();
        let answer = place.version().await;
        let name = place.hypervisor.spec.name.clone();
        match (answer, &place.hypervisor.reach) {
            (Ok(runtime), reach) => {
                self.silent_since = None;
                let unknown = matches!(reach, Reach::Unreachable(_));
                unknown.then_some(Observation::HypervisorReachable { name, runtime })
            }
            (Err(error), Reach::Reachable(_)) if self.is_overdue() => {
                let reason = chain(&error);
                Some(Observation::HypervisorUnreachable { name, reason })
            }
            (Err(_), _) => {
                self.silent_since = self.silent_since.or(Some(asked));
                None
            }
        }
    }

    /// Whether it did not answer the last time.
    pub fn is_silent(&self) -> bool {
        self.silent_since.is_some()
    }

    fn is_overdue(&self) -> bool {
        self.silent_since.is_some_and(|since| since.elapsed() >= SILENT)
    }
}
