//! Who works on a node of this worker's hypervisors: its jobs, or the keeper that starts
//! what died. Never both, or the keeper would bring back what a job has just stopped.

use oi_events::{ClusterUid, NodeName};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

type Lock = RwLock<()>;
type Known = HashMap<(ClusterUid, NodeName), Weak<Lock>>;

/// The nodes that are worked on.
#[derive(Clone, Default)]
pub struct Nodes(Arc<Mutex<Known>>);

impl Nodes {
    fn of(&self, uid: ClusterUid, node: &NodeName) -> Arc<Lock> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, lock| lock.strong_count() > 0);
        let key = (uid, node.clone());
        let known = all.get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let lock = Arc::new(Lock::default());
            all.insert(key, Arc::downgrade(&lock));
            lock
        })
    }

    /// For a job, once the keeper has left the node; several jobs may share it.
    pub async fn job(&self, uid: ClusterUid, node: &NodeName) -> OwnedRwLockReadGuard<()> {
        self.of(uid, node).read_owned().await
    }

    /// For the keeper; none where a job is at work.
    pub fn keeper(&self, uid: ClusterUid, node: &NodeName) -> Option<OwnedRwLockWriteGuard<()>> {
        self.of(uid, node).try_write_owned().ok()
    }
}
