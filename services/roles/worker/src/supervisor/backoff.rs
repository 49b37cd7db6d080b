//! The pauses between restarts of nodes that keep dying.

use oi_events::{ClusterName, NodeName};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The first pause; it doubles up to the longest one.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(60);

type NodeKey = (ClusterName, NodeName);

struct Backoff {
    until: Instant,
    pause: Duration,
    restarts: u32,
}

/// Nodes that were restarted lately.
#[derive(Default)]
pub struct Backoffs(BTreeMap<NodeKey, Backoff>);

impl Backoffs {
    /// Counts a restart. Returns how many went before it in a row; none while the node must wait.
    pub fn restart(&mut self, cluster: &ClusterName, node: &NodeName) -> Option<u32> {
        let now = Instant::now();
        let key = (cluster.clone(), node.clone());
        let (pause, restarts) = match self.0.get(&key) {
            Some(b) if b.until > now => return None,
            Some(b) => ((b.pause * 2).min(LONGEST), b.restarts + 1),
            None => (FIRST, 0),
        };
        self.0.insert(key, Backoff { until: now + pause, pause, restarts });
        Some(restarts)
    }

    /// Forgets the restarts of a node that has run for longer than its pause.
    pub fn runs(&mut self, cluster: &ClusterName, node: &NodeName) {
        let key = (cluster.clone(), node.clone());
        if self.0.get(&key).is_some_and(|b| b.until + b.pause <= Instant::now()) {
            self.0.remove(&key);
        }
    }
}
