//! Locks within one worker process.
//!
//! They say nothing about other workers: steps of two workers may overlap, and every step allows
//! for that.

use oi_events::{ClusterUid, JobKind, NodeName};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// A part of a node with a lock of its own: a member that dies starts again while a job waits for
/// the API server beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The etcd member.
    Member,
    /// What else the node runs.
    Rest,
    /// What is made beside them. It is for jobs only.
    Beside,
}

impl Part {
    /// All of a node, in the order in which parts are locked.
    pub const ALL: &'static [Part] = &[Part::Member, Part::Rest, Part::Beside];

    /// What a job works on.
    fn of(kind: JobKind) -> &'static [Part] {
        match kind {
            JobKind::EnsureControlPlane | JobKind::EnsureIngress => &[Part::Rest],
            JobKind::StageRestore => &[Part::Beside],
            // It changes nothing of the node.
            JobKind::PullImages => &[],
            _ => Part::ALL,
        }
    }
}

type PartLock = RwLock<()>;
type ByPart = HashMap<(ClusterUid, NodeName, Part), Weak<PartLock>>;

/// Keeps jobs and the supervisor apart on a node: one of them would otherwise start again what
/// another has just stopped.
#[derive(Clone, Default)]
pub struct NodeLocks(Arc<Mutex<ByPart>>);

impl NodeLocks {
    /// Locks what a job of that kind works on, once the supervisor has left it. Several jobs share
    /// the lock.
    pub async fn for_job(&self, kind: JobKind, uid: ClusterUid, node: &NodeName) -> NodeGuard {
        let mut held = Vec::new();
        for part in Part::of(kind) {
            held.push(self.of(uid, node, *part).read_owned().await);
        }
        NodeGuard::Shared(held)
    }

    /// Locks a node for a job that ends it, once every other job has left it: one that is no longer
    /// owed is cut off.
    pub async fn for_removal(&self, uid: ClusterUid, node: &NodeName) -> NodeGuard {
        let mut held = Vec::new();
        for part in Part::ALL {
            held.push(self.of(uid, node, *part).write_owned().await);
        }
        NodeGuard::Alone(held)
    }

    /// Locks parts of a node for the supervisor; none while a job holds one of them.
    pub fn for_supervisor(
        &self,
        uid: ClusterUid,
        node: &NodeName,
        parts: &[Part],
    ) -> Option<NodeGuard> {
        let mut held = Vec::new();
        for part in parts {
            let Ok(lock) = self.of(uid, node, *part).try_write_owned() else { return None };
            held.push(lock);
        }
        Some(NodeGuard::Alone(held))
    }

    fn of(&self, uid: ClusterUid, node: &NodeName, part: Part) -> Arc<PartLock> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, lock| lock.strong_count() > 0);
        let key = (uid, node.clone(), part);
        let known = all.get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let lock = Arc::new(PartLock::default());
            all.insert(key, Arc::downgrade(&lock));
            lock
        })
    }
}

/// A node, or a part of it, that is locked.
pub enum NodeGuard {
    /// With other jobs that work towards the same.
    Shared(Vec<OwnedRwLockReadGuard<()>>),
    /// By itself.
    Alone(Vec<OwnedRwLockWriteGuard<()>>),
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
