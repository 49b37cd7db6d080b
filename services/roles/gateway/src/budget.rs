//! What readers may take, so that none of them slows a decision, a job or the supervisor: work that
//! may be long is done on a thread of its own, a little at a time, and for a while at most.

use crate::rejected::Rejected;
use oi_domain::{Plan, State};
use oi_events::{Code, CommandEnvelope, Hash, chain};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many plans are made, and how many parts of the log are looked through, at a time.
const PLANS: usize = 1;
const SEARCHES: usize = 4;
/// How long one waits for its turn, and how long a plan may take.
const TURN: Duration = Duration::from_secs(10);
const PLAN: Duration = Duration::from_secs(10);
/// How many commands are planned together.
const PLANNED: usize = 200;
/// How many watches somebody may have.
const WATCHES: usize = 256;

/// The budgets of a gateway. Clones share them.
#[derive(Clone)]
pub struct Budget {
    plans: Arc<Semaphore>,
    searches: Arc<Semaphore>,
    watches: Arc<Mutex<BTreeMap<String, usize>>>,
    hash: Arc<tokio::sync::Mutex<Option<(u64, Hash)>>>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            plans: Arc::new(Semaphore::new(PLANS)),
            searches: Arc::new(Semaphore::new(SEARCHES)),
            watches: Arc::default(),
            hash: Arc::default(),
        }
    }
}

fn busy(problem: &str) -> Rejected {
    Rejected::new(Code::Busy, format!("{problem}: try again in a few seconds"))
}

async fn turn<'a>(of: &'a Semaphore, problem: &str) -> Result<SemaphorePermit<'a>, Rejected> {
    match tokio::time::timeout(TURN, of.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        // It is never closed.
        Ok(Err(_)) | Err(_) => Err(busy(problem)),
    }
}

/// Computes on a thread of its own.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Rejected> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Rejected::unavailable(&error))
}

impl Budget {
    /// What commands would do.
    pub async fn plan(
        &self,
        state: State,
        commands: Vec<CommandEnvelope>,
    ) -> Result<Plan, Rejected> {
        if commands.len() > PLANNED {
            let problem = format!("{} commands: at most {PLANNED} are planned", commands.len());
            return Err(Rejected::new(Code::TooLarge, problem));
        }
        let _turn = turn(&self.plans, "others plan").await?;
        let planned = aside(move || {
            let end = Instant::now() + PLAN;
            let go_on = || Instant::now() < end;
            oi_domain::plan_while(&state, &commands, oi_clock::now_ms(), &go_on)
        });
        let too_long = || {
            let problem = format!("the plan takes more than {PLAN:?}: plan fewer commands");
            Rejected::new(Code::TooLarge, problem)
        };
        planned.await?.ok_or_else(too_long)
    }

    /// The hash of a state, computed once for each position.
    pub async fn hash(&self, state: State) -> Result<Hash, Rejected> {
        let mut known = self.hash.lock().await;
        let position = state.position;
        if let Some((at, hash)) = *known
            && at == position
        {
            return Ok(hash);
        }
        let hash = aside(move || state.hash()).await?;
        let hash = hash.map_err(|e| Rejected::new(Code::Defect, chain(&e)))?;
        *known = Some((position, hash));
        Ok(hash)
    }

    /// A turn to look through a part of the log.
    pub async fn search(&self) -> Result<SemaphorePermit<'_>, Rejected> {
        turn(&self.searches, "others look through the log").await
    }

    /// One more watch of somebody.
    pub fn watch(&self, who: String) -> Result<Watching, Rejected> {
        let mut all = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(who.clone()).or_default();
        if *count >= WATCHES {
            return Err(busy(&format!("{who} has {WATCHES} watches already")));
        }
        *count += 1;
        Ok(Watching { who, all: self.watches.clone() })
    }
}

/// A watch that counts until it is dropped.
pub struct Watching {
    who: String,
    all: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&self.who) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(all.remove(&self.who)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn what_one_reader_may_take_has_an_end() {
        let budget = Budget::default();
        let who = || "alice".to_owned();
        let mut watches: Vec<Watching> =
            (0..WATCHES).map(|_| budget.watch(who()).unwrap()).collect();
        assert_eq!(budget.watch(who()).err().unwrap().code, Code::Busy);
        assert!(budget.watch("bob".to_owned()).is_ok());
        watches.pop();
        assert!(budget.watch(who()).is_ok());

        let name = "hv-1".parse().unwrap();
        let command = oi_events::CordonHypervisorV1 { name, cordoned: true };
        let id = oi_events::CommandId(uuid::Uuid::nil());
        let many = vec![CommandEnvelope::new(id, "alice", 0, command); PLANNED + 1];
        let planned = budget.plan(State::default(), many).await;
        assert_eq!(planned.unwrap_err().code, Code::TooLarge);
    }

    #[tokio::test]
    async fn a_state_is_hashed_once() {
        let budget = Budget::default();
        let hash = budget.hash(State::default()).await.unwrap();
        assert_eq!(hash, State::default().hash().unwrap());
        let stored = (0, Hash::ZERO);
        *budget.hash.lock().await = Some(stored);
        assert_eq!(budget.hash(State::default()).await.unwrap(), Hash::ZERO);
    }
}
