//! Locks within one worker process.
//!
//! They say nothing about other workers: steps of two workers may overlap, and every step allows
//! for that.

use oi_events::{ClusterUid, NodeName};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

type NodeLock = RwLock<()>;
type ByNode = HashMap<(ClusterUid, NodeName), Weak<NodeLock>>;

/// Keeps jobs and the supervisor apart on a node: one of them would otherwise start again what
/// another has just stopped.
#[derive(Clone, Default)]
pub struct NodeLocks(Arc<Mutex<ByNode>>);

impl NodeLocks {
    /// Locks a node for a job, once the supervisor has left it. Several jobs share the lock.
    pub async fn for_job(&self, uid: ClusterUid, node: &NodeName) -> OwnedRwLockReadGuard<()> {
        self.of(uid, node).read_owned().await
    }

    /// Locks a node for a job that ends it, once every other job has left it: one that is no longer
    /// owed is cut off.
    pub async fn for_removal(&self, uid: ClusterUid, node: &NodeName) -> OwnedRwLockWriteGuard<()> {
        self.of(uid, node).write_owned().await
    }

    /// Locks a node for the supervisor; none while a job holds it.
    pub fn for_supervisor(
        &self,
        uid: ClusterUid,
        node: &NodeName,
    ) -> Option<OwnedRwLockWriteGuard<()>> {
        let Ok(held) = self.of(uid, node).try_write_owned() else { return None };
        Some(held)
    }

    fn of(&self, uid: ClusterUid, node: &NodeName) -> Arc<NodeLock> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, lock| lock.strong_count() > 0);
        let key = (uid, node.clone());
        let known = all.get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let lock = Arc::new(NodeLock::default());
            all.insert(key, Arc::downgrade(&lock));
            lock
        })
    }
}

/// A node that is locked for a job.
pub enum NodeGuard {
    /// With other jobs that work towards the same.
    Shared(#[expect(dead_code, reason = "held until it is dropped")] OwnedRwLockReadGuard<()>),
    /// By itself.
    Alone(#[expect(dead_code, reason = "held until it is dropped")] OwnedRwLockWriteGuard<()>),
}

/// One mutex for each key.
#[derive(Clone)]
pub struct KeyedMutex<K>(Arc<Mutex<BTreeMap<K, Arc<tokio::sync::Mutex<()>>>>>);

impl<K> Default for KeyedMutex<K> {
    fn default() -> KeyedMutex<K> {
        KeyedMutex(Arc::default())
    }
}

impl<K: Ord> KeyedMutex<K> {
    /// Waits for the mutex of a key.
    pub async fn lock(&self, key: K) -> OwnedMutexGuard<()> {
        let mutex = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(key).or_default().clone()
        };
        mutex.lock_owned().await
    }
}
