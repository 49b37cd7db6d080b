//! What readers may take, so that none of them slows a decision, a job or the supervisor: work that
//! may be long is done on a thread of its own, a little at a time, and for a while at most.

use crate::identity::Account;
use crate::rejected::Rejected;
use oi_domain::{Plan, State};
use oi_events::{Code, CodecError, CommandEnvelope, Hash, chain};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many plans are made, and how many parts of the log are looked through, at a time.
const PLANS: usize = 1;
const SEARCHES: usize = 4;
/// How long one waits for its turn, and how long a plan may take.
const TURN: Duration = Duration::from_secs(10);
const PLAN: Duration = Duration::from_secs(10);
/// How many commands are planned together.
const PLANNED: usize = 200;
/// How many watches somebody may have, and how many plans in hand: a few tools at a time, and no
/// more turns than others can wait for.
const WATCHES: usize = 256;
const IN_HAND: usize = 4;

/// The budgets of a gateway. Clones share them.
#[derive(Clone)]
pub struct Budget {
    plans: Arc<Semaphore>,
    searches: Arc<Semaphore>,
    watches: Shares,
    planners: Shares,
    hash: Arc<tokio::sync::Mutex<Option<(u64, Hash)>>>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            plans: Arc::new(Semaphore::new(PLANS)),
            searches: Arc::new(Semaphore::new(SEARCHES)),
            watches: Shares::default(),
            planners: Shares::default(),
            hash: Arc::default(),
        }
    }
}

fn busy(problem: &str) -> Rejected {
    Rejected::new(Code::Busy, format!("{problem}: try again in a few seconds"))
}

async fn turn(of: &Arc<Semaphore>, problem: &str) -> Result<OwnedSemaphorePermit, Rejected> {
    match tokio::time::timeout(TURN, of.clone().acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        // It is never closed.
        Ok(Err(_)) | Err(_) => Err(busy(problem)),
    }
}

/// Becomes true when it is dropped: nobody waits for the answer any more.
#[derive(Default)]
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Computes on a thread of its own. It goes on where the future is dropped: what must be held for
/// as long as it computes belongs into the closure.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Rejected> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Rejected::unavailable(&error))
}

impl Budget {
    /// What commands would do.
    pub async fn plan(
        &self,
        who: Account,
        state: State,
        commands: Vec<CommandEnvelope>,
    ) -> Result<Plan, Rejected> {
        if commands.len() > PLANNED {
            let problem = format!("{} commands: at most {PLANNED} are planned", commands.len());
            return Err(Rejected::new(Code::TooLarge, problem));
        }
        let _share = self.planners.take(who, IN_HAND, "plans in hand")?;
        let planned = self.in_turn(move |go_on| {
            oi_domain::plan_while(&state, &commands, oi_clock::now_ms(), go_on)
        });
        let too_long = || {
            let problem = format!("the plan takes more than {PLAN:?}: plan fewer commands");
            Rejected::new(Code::TooLarge, problem)
        };
        planned.await?.ok_or_else(too_long)
    }

    /// Plans when it is its turn, for as long as `go_on` says. The turn ends with the work, and not
    /// with who asked: that may be gone before.
    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, Rejected> {
        let turn = turn(&self.plans, "others plan").await?;
        let asker = Gone::default();
        let gone = asker.0.clone();
        let done = aside(move || {
            let _turn = turn;
            let end = Instant::now() + PLAN;
            work(&|| Instant::now() < end && !gone.load(Ordering::Relaxed))
        });
        done.await
    }

    /// The hash of a state, computed once for each position, one at a time.
    pub async fn hash(&self, state: State) -> Result<Hash, Rejected> {
        let mut known = self.hash.clone().lock_owned().await;
        let position = state.position;
        if let Some((at, hash)) = *known
            && at == position
        {
            return Ok(hash);
        }
        let hash = aside(move || -> Result<Hash, CodecError> {
            let hash = state.hash()?;
            // What is asked for again is the newest.
            if known.is_none_or(|(at, _)| at < position) {
                *known = Some((position, hash));
            }
            Ok(hash)
        });
        hash.await?.map_err(|e| Rejected::new(Code::Defect, chain(&e)))
    }

    /// A turn to look through a part of the log.
    pub async fn search(&self) -> Result<OwnedSemaphorePermit, Rejected> {
        turn(&self.searches, "others look through the log").await
    }

    /// One more watch of somebody.
    pub fn watch(&self, who: Account) -> Result<Share, Rejected> {
        self.watches.take(who, WATCHES, "watches")
    }
}

/// How much each account has of something. Clones share it.
#[derive(Clone, Default)]
struct Shares(Arc<Mutex<BTreeMap<Account, usize>>>);

impl Shares {
    /// One more, where somebody has not `most` already.
    fn take(&self, who: Account, most: usize, what: &str) -> Result<Share, Rejected> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(who.clone()).or_default();
        if *count >= most {
            return Err(busy(&format!("{who} has {most} {what} already")));
        }
        *count += 1;
        Ok(Share { who, of: self.clone() })
    }
}

/// What counts until it is dropped.
pub struct Share {
    who: Account,
    of: Shares,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
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
    use crate::identity::Identity;

    fn account(name: &str, tenant: Option<&str>) -> Account {
        let tenant = tenant.map(|tenant| format!("oi:tenant:{tenant}"));
        let organizations = tenant.as_deref().into_iter().chain(["oi:admin"]);
        Identity::named(name, organizations).unwrap().account()
    }

    #[tokio::test]
    async fn who_plans_leaves_turns_to_others() {
        let budget = Budget::default();
        let running = budget.plans.acquire().await.unwrap();
        let plan = |who: Account| {
            let budget = budget.clone();
            tokio::spawn(async move { budget.plan(who, State::default(), Vec::new()).await })
        };
        let waiting: Vec<_> = (0..IN_HAND).map(|_| plan(account("alice", None))).collect();
        tokio::time::sleep(Duration::from_millis(50)).await;
        let refused = plan(account("alice", None)).await.unwrap().unwrap_err();
        assert_eq!(refused.code, Code::Busy);
        let other = plan(account("alice", Some("acme")));
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(running);
        assert!(other.await.unwrap().is_ok());
        for plan in waiting {
            assert!(plan.await.unwrap().is_ok());
        }
        assert!(
            plan(account("alice", None)).await.unwrap().is_ok(),
            "those that ended count no more"
        );
    }

    #[tokio::test]
    async fn what_one_reader_may_take_has_an_end() {
        let budget = Budget::default();
        let who = || account("alice", None);
        let mut watches: Vec<Share> = (0..WATCHES).map(|_| budget.watch(who()).unwrap()).collect();
        assert_eq!(budget.watch(who()).err().unwrap().code, Code::Busy);
        assert!(budget.watch(account("bob", None)).is_ok());
        assert!(budget.watch(account("alice", Some("acme"))).is_ok(), "of a tenant: another one");
        watches.pop();
        assert!(budget.watch(who()).is_ok());

        let name = "hv-1".parse().unwrap();
        let command = oi_events::CordonHypervisorV1 { name, cordoned: true };
        let id = oi_events::CommandId(uuid::Uuid::nil());
        let many = vec![CommandEnvelope::new(id, "alice", 0, command); PLANNED + 1];
        let planned = budget.plan(who(), State::default(), many).await;
        assert_eq!(planned.unwrap_err().code, Code::TooLarge);
    }

    #[tokio::test]
    async fn a_plan_that_nobody_waits_for_keeps_its_turn_until_it_ends() {
        let budget = Budget::default();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let long = budget.in_turn(move |go_on| {
            held.recv().unwrap();
            tell.send(go_on()).unwrap();
        });
        let moment = Duration::from_millis(100);
        assert!(tokio::time::timeout(moment, long).await.is_err(), "its asker goes away");
        let second = budget.plan(account("alice", None), State::default(), Vec::new());
        tokio::pin!(second);
        assert!(tokio::time::timeout(moment, &mut second).await.is_err(), "it has no turn yet");
        release.send(()).unwrap();
        second.await.unwrap();
        assert!(!told.recv().unwrap(), "the first one is told to end");
    }

    #[tokio::test]
    async fn a_hash_of_an_older_state_does_not_replace_a_newer_one() {
        let budget = Budget::default();
        let newer = State { position: 2, ..State::default() };
        let hash = budget.hash(newer).await.unwrap();
        let older = State { position: 1, ..State::default() };
        assert_ne!(budget.hash(older).await.unwrap(), hash);
        assert_eq!(*budget.hash.lock().await, Some((2, hash)));
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
