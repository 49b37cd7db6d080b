//! How many things start at a time in a place.

use super::{Place, PlaceError};
use oi_events::{Generation, HypervisorName};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Much longer than a start takes that has a processor to itself.
const TURN: Duration = Duration::from_secs(20);

/// What starts. Each kind has its own limit, because one kind may wait for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StartKind {
    /// etcd.
    Etcd,
    /// API server, controller manager and scheduler.
    ControlPlane,
    /// haproxy.
    Ingress,
    /// What died. It does not wait for what is new.
    Again,
}

type Key = (HypervisorName, Generation, StartKind);

/// The right to start something in a place.
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Works, and gives the turn back after a while: what has not started by then waits for
    /// something else, and others need not wait for it.
    pub async fn within<T>(self, work: impl Future<Output = T>) -> T {
        let mut work = Box::pin(work);
        tokio::select! {
            done = &mut work => return done,
            () = tokio::time::sleep(TURN) => drop(self),
        }
        work.await
    }
}

/// Lets as many start at a time as the place has processors: a start is mostly computation, and
/// too many at once would all miss their deadlines.
#[derive(Clone, Default)]
pub struct StartLimiter(Arc<Mutex<BTreeMap<Key, Arc<Semaphore>>>>);

impl StartLimiter {
    /// Waits for a turn.
    pub async fn turn(&self, place: &Place, kind: StartKind) -> Result<Turn, PlaceError> {
        let h = &place.hypervisor;
        let key = (h.spec.name.clone(), h.generation, kind);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let permits = match known {
            Some(permits) => permits,
            None => {
                let cpus = place.cpus().await?.max(1);
                // Some of what died waits for other machines.
                let count = if kind == StartKind::Again { cpus * 2 } else { cpus };
                let permits = Arc::new(Semaphore::new(count));
                let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                all.entry(key).or_insert(permits).clone()
            }
        };
        // The semaphore is never closed.
        let Ok(permit) = permits.acquire_owned().await else { return Ok(Turn { _permit: None }) };
        Ok(Turn { _permit: Some(permit) })
    }
}
