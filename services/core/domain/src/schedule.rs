//! In which order owed jobs are done when not all can be done at once: what heals comes
//! before what is new, and that before what only tidies up; among those, clusters take
//! turns; and no hypervisor gets more at a time than it can do.

use crate::cluster::ClusterPhase;
use crate::jobs::{Scope, owed_in};
use crate::state::State;
use oi_events::{Generation, HypervisorName, Job, JobId, JobKind};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How soon a job is due beside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Something that served already, or a hypervisor, needs it.
    Heal,
    /// Something new, or a backup.
    Create,
    /// What is left when somebody has what they wanted.
    Tidy,
}

impl Urgency {
    /// How urgent a job is.
    pub fn of(state: &State, job: &Job) -> Urgency {
        match job.kind {
            JobKind::ProbeHypervisor => Urgency::Heal,
            JobKind::TakeBackup | JobKind::ReconcileAddons | JobKind::PullImages => Urgency::Create,
            JobKind::DropBackup | JobKind::ShredKey | JobKind::RemoveOrphan => Urgency::Tidy,
            JobKind::EnsureEtcd
            | JobKind::EnsureControlPlane
            | JobKind::EnsureIngress
            | JobKind::RemoveNode
            | JobKind::LeaveCluster
            | JobKind::StopNode
            | JobKind::RestoreEtcd
            | JobKind::StageRestore => Urgency::by_phase(state, job),
        }
    }

    fn by_phase(state: &State, job: &Job) -> Urgency {
        let cluster = job.cluster.as_ref().and_then(|name| state.clusters.get(name));
        match cluster.map(|c| c.phase) {
            Some(ClusterPhase::Ready) => Urgency::Heal,
            Some(ClusterPhase::Creating) => Urgency::Create,
            Some(ClusterPhase::Deleting) | None => Urgency::Tidy,
        }
    }

    /// What it may take of a limit: the rest is kept for what is more urgent.
    fn share(self, limit: usize) -> usize {
        let share = match self {
            Urgency::Heal => limit,
            Urgency::Create => limit * 3 / 4,
            Urgency::Tidy => limit / 2,
        };
        share.max(1)
    }
}

/// How many jobs there are at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub jobs: usize,
    /// On one hypervisor.
    pub per_hypervisor: usize,
}

impl Default for Limits {
    /// As many as one worker does, and a quarter of that.
    fn default() -> Limits {
        Limits { jobs: 128, per_hypervisor: 32 }
    }
}

/// The place of a scope among those that have something to do.
type Place = (Urgency, usize, Generation, Scope);

#[derive(Debug, Default)]
struct Part {
    waiting: VecDeque<(Urgency, Job)>,
    in_flight: usize,
    place: Option<Place>,
}

/// What is owed: what is being done, and what waits for its turn.
#[derive(Debug)]
pub struct Schedule {
    limits: Limits,
    parts: BTreeMap<Scope, Part>,
    /// Scopes in which something waits, the next first.
    places: BTreeSet<Place>,
    in_flight: BTreeMap<JobId, (Urgency, Scope, Job)>,
    of: BTreeMap<Urgency, usize>,
    on: BTreeMap<HypervisorName, usize>,
}

impl Schedule {
    /// Nothing is owed yet.
    pub fn new(limits: Limits) -> Schedule {
        Schedule {
            limits,
            parts: BTreeMap::new(),
            places: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            of: BTreeMap::new(),
            on: BTreeMap::new(),
        }
    }

    /// Takes over what a scope owes now: what it no longer owes is no longer in flight.
    pub fn look(&mut self, state: &State, scope: &Scope) {
        let owed = owed_in(state, scope);
        let ids: BTreeSet<&JobId> = owed.iter().map(|j| &j.id).collect();
        let of_scope = self.in_flight.iter().filter(|(_, (_, s, _))| s == scope);
        let ended: Vec<JobId> =
            of_scope.map(|(id, _)| id).filter(|id| !ids.contains(id)).cloned().collect();
        for id in &ended {
            self.end(id);
        }
        let waiting = owed.into_iter().filter(|j| !self.in_flight.contains_key(&j.id));
        let mut waiting: Vec<(Urgency, Job)> =
            waiting.map(|j| (Urgency::of(state, &j), j)).collect();
        // The order of their steps stays within.
        waiting.sort_by_key(|(urgency, job)| (*urgency, job.generation));
        self.parts.entry(scope.clone()).or_default().waiting = waiting.into();
        self.put_in_place(scope);
    }

    fn end(&mut self, id: &JobId) {
        let Some((urgency, scope, job)) = self.in_flight.remove(id) else { return };
        if let Some(of) = self.of.get_mut(&urgency) {
            *of -= 1;
        }
        if let Some(part) = self.parts.get_mut(&scope) {
            part.in_flight -= 1;
        }
        if let Some(on) = job.hypervisor.as_ref().and_then(|h| self.on.get_mut(h)) {
            *on -= 1;
        }
    }

    fn put_in_place(&mut self, scope: &Scope) {
        let Some(part) = self.parts.get_mut(scope) else { return };
        if let Some(place) = part.place.take() {
            self.places.remove(&place);
        }
        if let Some((urgency, job)) = part.waiting.front() {
            let place = (*urgency, part.in_flight, job.generation, scope.clone());
            self.places.insert(place.clone());
            part.place = Some(place);
        } else if part.in_flight == 0 {
            self.parts.remove(scope);
        }
    }

    /// The job that is to be done next, which is in flight from here on; none where the
    /// limits are reached, or nothing waits.
    pub fn take(&mut self) -> Option<Job> {
        let urgencies = [Urgency::Heal, Urgency::Create, Urgency::Tidy];
        let mut open = urgencies.into_iter().filter(|&urgency| self.has_room(urgency));
        let (scope, at) = open.find_map(|urgency| {
            let first = (urgency, 0, Generation(0), Scope::Hypervisors);
            let places = self.places.range(first..).take_while(|place| place.0 == urgency);
            places.into_iter().find_map(|(.., scope)| {
                let fits = |(_, job): &(Urgency, Job)| self.fits(urgency, job);
                Some((scope.clone(), self.parts.get(scope)?.waiting.iter().position(fits)?))
            })
        })?;
        let part = self.parts.get_mut(&scope)?;
        let (urgency, job) = part.waiting.remove(at)?;
        part.in_flight += 1;
        if let Some(hypervisor) = &job.hypervisor {
            *self.on.entry(hypervisor.clone()).or_default() += 1;
        }
        *self.of.entry(urgency).or_default() += 1;
        self.in_flight.insert(job.id.clone(), (urgency, scope.clone(), job.clone()));
        self.put_in_place(&scope);
        Some(job)
    }

    /// Of each urgency one job can always be done: nothing waits for ever.
    fn has_room(&self, urgency: Urgency) -> bool {
        self.is_idle(urgency) || self.in_flight.len() < urgency.share(self.limits.jobs)
    }

    fn fits(&self, urgency: Urgency, job: &Job) -> bool {
        let on = job.hypervisor.as_ref().and_then(|h| self.on.get(h)).copied().unwrap_or(0);
        on < urgency.share(self.limits.per_hypervisor) || self.is_idle(urgency)
    }

    fn is_idle(&self, urgency: Urgency) -> bool {
        self.of.get(&urgency).is_none_or(|&of| of == 0)
    }

    /// What is being done.
    pub fn in_flight(&self) -> impl Iterator<Item = &Job> {
        self.in_flight.values().map(|(.., job)| job)
    }

    /// Whether it is being done.
    pub fn is_in_flight(&self, id: &JobId) -> bool {
        self.in_flight.contains_key(id)
    }

    /// How much is owed.
    pub fn owed(&self) -> usize {
        self.in_flight.len() + self.parts.values().map(|p| p.waiting.len()).sum::<usize>()
    }

    /// The scopes that owe something.
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        self.parts.keys()
    }
}
