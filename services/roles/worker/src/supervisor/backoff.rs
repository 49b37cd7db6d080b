//! The pauses between restarts of nodes that keep dying.

use oi_events::{ClusterUid, NodeName};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The first pause; it doubles up to the longest one.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);
/// The longest one while the node's member runs: its API server ends again and again until the
/// others are back, and is wanted soon then.
const LONGEST_WITH_MEMBER: Duration = Duration::from_secs(15);

/// Which node.
pub type NodeKey = (ClusterUid, NodeName);

struct Backoff {
    until: Instant,
    pause: Duration,
    /// How often its member started in a row, and ended soon after.
    member_starts: u32,
    member_started: Option<Instant>,
}

/// Nodes that were restarted lately. Clones share it.
#[derive(Clone, Default)]
pub struct Backoffs(Arc<Mutex<BTreeMap<NodeKey, Backoff>>>);

impl Backoffs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<NodeKey, Backoff>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a restart. Returns how often the node's member started in a row before, and ended
    /// each time; none while the node must wait.
    pub fn restart(&self, node: &NodeKey, member_runs: bool) -> Option<u32> {
        let now = Instant::now();
        let mut all = self.all();
        let (pause, started, starts) = match all.get(node) {
            Some(b) if b.until > now => return None,
            Some(b) => {
                let longest = if member_runs { LONGEST_WITH_MEMBER } else { LONGEST };
                let soon = b.member_started.is_some_and(|at| now - at < LONGEST * 2);
                let starts = if soon { b.member_starts } else { 0 };
                ((b.pause * 2).min(longest), b.member_started, starts)
            }
            None => (FIRST, None, 0),
        };
        let (until, member_started, member_starts) = (now + pause, started, starts);
        all.insert(node.clone(), Backoff { until, pause, member_starts, member_started });
        Some(member_starts)
    }

    /// Counts a start of the node's member. An attempt that did not even start it says nothing
    /// about the member.
    pub fn member_started(&self, node: &NodeKey) {
        if let Some(b) = self.all().get_mut(node) {
            b.member_starts = b.member_starts.saturating_add(1);
            b.member_started = Some(Instant::now());
        }
    }

    /// Forgets the restarts of a node that has run for longer than its pause.
    pub fn runs(&self, node: &NodeKey) {
        let mut all = self.all();
        if all.get(node).is_some_and(|b| b.until + b.pause <= Instant::now()) {
            all.remove(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Backoffs;
    use oi_events::ClusterUid;

    #[test]
    fn only_starts_of_a_member_count_against_it() {
        let (backoffs, node) =
            (Backoffs::default(), (ClusterUid(uuid::Uuid::nil()), "cp-1".parse()));
        let (uid, Ok(name)) = node else { panic!("no name") };
        let node = (uid, name);
        let again = || {
            backoffs.all().values_mut().for_each(|b| b.until = std::time::Instant::now());
            backoffs.restart(&node, false)
        };
        assert_eq!(again(), Some(0));
        assert_eq!(again(), Some(0), "it was not started");
        backoffs.member_started(&node);
        assert_eq!(backoffs.restart(&node, false), None, "it waits");
        assert_eq!(again(), Some(1));
    }
}
