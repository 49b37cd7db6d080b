//! Who works on a node of this worker's hypervisors: its jobs, or the keeper that starts
//! what died. Never both, or the keeper would bring back what a job has just stopped. And what
//! is done one at a time.

use oi_events::{ClusterUid, NodeName};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

type Lock = RwLock<()>;
type Known = HashMap<(ClusterUid, NodeName), Weak<Lock>>;

/// The nodes that are worked on.
#[derive(Clone, Default)]
pub struct Nodes(Arc<Mutex<Known>>);

/// One at a time for each of something.
#[derive(Clone)]
pub struct Turns<K>(Arc<Mutex<BTreeMap<K, Turn>>>);

type Turn = Arc<tokio::sync::Mutex<()>>;

impl<K> Default for Turns<K> {
    fn default() -> Turns<K> {
        Turns(Arc::default())
    }
}

impl<K: Ord> Turns<K> {
    /// To be locked for as long as it takes.
    pub fn of(&self, key: K) -> Turn {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(key).or_default().clone()
    }
}

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
