//! Restarts what died, without jobs and without the broker.

mod backoff;
mod expected;
mod inspect;
mod reach;
mod restart;
mod strays;
mod sweep;
mod tidy;

use crate::keyed_tasks::KeyedTasks;
use crate::metrics::Metrics;
use crate::place::Place;
use crate::steps::Steps;
use backoff::{Backoffs, NodeKey};
use oi_clock::Pulse;
use oi_domain::Hypervisor;
use oi_events::{Generation, HypervisorName, chain};
use reach::Reachability;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strays::SeenBefore;
use tidy::Unneeded;
use tokio::sync::Notify;

/// The interval between looks without an event.
const LOOK: Duration = Duration::from_secs(5);
/// The same while a hypervisor does not answer: it sends no events either.
const LOOK_SILENT: Duration = Duration::from_secs(1);
/// How long events are gathered before a look, at least and at most. A look that takes long is
/// followed by a longer pause: there is much to look at.
const GATHER_MIN: Duration = Duration::from_millis(20);
const GATHER_MAX: Duration = Duration::from_millis(500);
/// The pause before a broken stream of events is asked for again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_secs(1);
/// The interval between comparisons of shared ports with the state.
const COMPARE_PORTS: Duration = Duration::from_secs(60);
/// The interval between looks for what belongs to nobody.
const LOOK_FOR_STRAYS: Duration = Duration::from_secs(10);
/// The interval of the pulse.
const BEAT: Duration = Duration::from_secs(5);
/// The pause before what ended is supervised again.
const SUPERVISE_AGAIN: Duration = Duration::from_secs(1);

/// What a look leaves to others, so that it goes on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Errand {
    /// Remove what belongs to nobody.
    Sweep,
    /// Compare the shared ports with the state.
    Ports,
    /// Look for what belongs to nobody.
    Strays,
    /// Look for what fills the disk.
    Tidy,
    /// Remove a container.
    Remove(String),
    /// Start what died of a node.
    Start(NodeKey),
    /// Start what waits for the API server of a node.
    Complete(NodeKey),
}

/// What is remembered of a hypervisor between two looks.
#[derive(Default)]
struct Watch {
    errands: KeyedTasks<Errand>,
    backoffs: Backoffs,
    strays: SeenBefore,
    unneeded: Unneeded,
}

/// Supervises the containers of ready nodes on all hypervisors.
///
/// # Guarantees
///
/// - A container of a ready node that died starts again: within a second where the runtime
///   reports events, and within five seconds otherwise. A node that keeps dying backs off, up to
///   a minute.
/// - A container or sandbox of a ready node that must not run is removed, and so is a sandbox of a
///   node that is gone.
/// - What fills a disk and nobody needs goes within hours ([`tidy`]).
/// - Nodes start beside each other, the etcd members of all clusters first, and then a few
///   API servers at a time. A node that does not become ready holds up no other, and
///   neither does one that cannot be started.
/// - It never works on a part of a node together with a job of this worker
///   ([`locks`](crate::locks)), and gives up a restart as soon as the state wants something else of
///   the node.
/// - What it changes follows from the state: it starts what [`desired`](crate::desired)
///   describes, and restarts nothing that runs as it must.
/// - It reports a hypervisor that has been silent for ten seconds, one that answers again, each
///   restart, and an etcd member that does not keep running. What follows from that is for a
///   decider to decide.
///
/// # Assumptions
///
/// - A step of a node is done in the state only after a job has started all that it is about: what
///   is missing then has died.
/// - Where several workers run, each of them supervises each hypervisor. Their restarts are
///   idempotent, and meet in the same pods.
#[derive(Clone)]
pub struct Supervisor {
    steps: Steps,
    metrics: Arc<Metrics>,
    tidy_every: Duration,
}

impl Supervisor {
    /// A supervisor that starts containers with these steps, and looks for what fills disks with
    /// this interval.
    pub fn new(steps: Steps, metrics: Arc<Metrics>, tidy_every: Duration) -> Supervisor {
        Supervisor { steps, metrics, tidy_every }
    }

    /// Supervises each hypervisor, until it is dropped.
    pub async fn run(&self, pulse: &Pulse) {
        let mut tasks = KeyedTasks::default();
        let mut positions = self.steps.view.positions();
        let mut beat = tokio::time::interval(BEAT);
        loop {
            pulse.beat();
            let known = self.steps.view.read(|s| {
                s.hypervisors.iter().map(|(n, h)| (n.clone(), h.generation)).collect::<Vec<_>>()
            });
            for (name, generation) in known {
                let supervisor = self.clone();
                tasks.start((name.clone(), generation), async move {
                    supervisor.supervise(name, generation).await;
                });
            }
            tokio::select! {
                changed = positions.changed() => if changed.is_err() { return },
                _ = beat.tick() => {}
                () = tasks.ended() => tokio::time::sleep(SUPERVISE_AGAIN).await,
            }
        }
    }

    /// Supervises a hypervisor while it is the one that was registered at `generation`.
    async fn supervise(&self, name: HypervisorName, generation: Generation) {
        let event = Notify::new();
        tokio::select! {
            () = self.look_repeatedly(&name, generation, &event) => {}
            () = self.subscribe(&name, &event) => {}
        }
    }

    /// Looks after each event, and now and then without one.
    async fn look_repeatedly(&self, name: &HypervisorName, generation: Generation, event: &Notify) {
        let mut watch = Watch::default();
        let mut reachability = Reachability::default();
        let (mut compared, mut looked) = (Instant::now(), Instant::now());
        let mut tidied = Instant::now();
        while let Some(h) = self.registered(name, generation) {
            let place = self.steps.places.at(&h);
            let began = Instant::now();
            if compared.elapsed() >= COMPARE_PORTS && is_public_and_up(&h) {
                compared = began;
                let (supervisor, h) = (self.clone(), h.clone());
                let compare = async move { supervisor.compare_shared_ports(&h).await };
                watch.errands.start(Errand::Ports, compare);
            }
            if looked.elapsed() >= LOOK_FOR_STRAYS && h.prepared && !h.is_away() {
                looked = began;
                let (supervisor, there, before) =
                    (self.clone(), place.clone(), watch.strays.clone());
                let look = async move { supervisor.look_for_strays(&there, &before).await };
                watch.errands.start(Errand::Strays, look);
            }
            if tidied.elapsed() >= self.tidy_every && h.prepared && !h.is_away() {
                tidied = began;
                let (supervisor, there, before) =
                    (self.clone(), place.clone(), watch.unneeded.clone());
                let tidy = async move { supervisor.tidy(&there, &before).await };
                watch.errands.start(Errand::Tidy, tidy);
            }
            if h.prepared {
                let seen = reachability.check(&place).await;
                seen.into_iter().for_each(|seen| self.steps.reporter.observe_now(seen));
            }
            if let Err(error) = self.inspect(&place, &mut watch).await {
                tracing::debug!(hypervisor = %name, %error, "not looked at");
            }
            let took = began.elapsed();
            let pause = if reachability.is_silent() { LOOK_SILENT } else { LOOK };
            tokio::select! {
                () = event.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
            tokio::time::sleep((took * 4).clamp(GATHER_MIN, GATHER_MAX)).await;
        }
    }

    fn registered(&self, name: &HypervisorName, generation: Generation) -> Option<Arc<Hypervisor>> {
        self.steps
            .view
            .read(|s| s.hypervisors.get(name).filter(|h| h.generation == generation).cloned())
    }

    /// Notifies of container events. A task of its own, because containerd answers the
    /// subscription only with the first event.
    async fn subscribe(&self, name: &HypervisorName, event: &Notify) {
        loop {
            if let Some(place) = self.place(name) {
                let watched = place.watch_events(|| event.notify_one()).await;
                if let Err(error) = watched {
                    tracing::trace!(hypervisor = %name, %error, "no events");
                }
            }
            tokio::time::sleep(SUBSCRIBE_AGAIN).await;
        }
    }

    fn place(&self, name: &HypervisorName) -> Option<Place> {
        let h = self.steps.view.read(|s| s.hypervisors.get(name).cloned())?;
        Some(self.steps.places.at(&h))
    }

    /// Repairs shared ports: a worker whose view lags behind may have written older routes.
    async fn compare_shared_ports(&self, h: &Arc<Hypervisor>) {
        if let Err(error) = self.steps.reconcile_shared_ports(h, None).await {
            let (hypervisor, error) = (&h.spec.name, chain(&error));
            tracing::debug!(%hypervisor, error, "shared ports not looked at");
        }
    }
}

fn is_public_and_up(h: &Hypervisor) -> bool {
    h.spec.public && h.prepared && !h.is_away()
}
