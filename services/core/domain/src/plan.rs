//! What commands would do: decided, and all their jobs done, on a copy of the state.

use crate::cluster::Cluster;
use crate::decide::Context;
use crate::decide::decide;
use crate::feature_level::FEATURE_LEVEL;
use crate::fold::apply;
use crate::jobs::{Scope, owed_in};
use crate::mint::{Ca, Leaf, Mint, MintError};
use crate::rejection::Rejection;
use crate::state::State;
use crate::timers::due;
use oi_events::{
    BackupId, ClusterName, ClusterUid, Command, CommandEnvelope, CommandId, Commit, CommitHeader,
    Component, Credential, Event, Hash, Job, JobEvent, JobId, JobKind, JobOutput, JobResult,
    NodeCommand, RecordedCommit, ReportJobV2, Restarts, SnapshotV1,
};
use std::collections::BTreeSet;

/// More jobs than any command causes.
const MANY: usize = 10_000;
const LIFE_MS: u64 = 365 * 24 * 3600 * 1000;

/// What commands would do at a position.
#[derive(Debug)]
pub struct Plan {
    /// The log position at which this holds.
    pub position: u64,
    /// Why a command is refused, or what would follow from one; no more is planned then.
    pub refused: Option<Rejection>,
    /// What would be recorded until all jobs are done, without the jobs' outcomes.
    pub events: Vec<Event>,
    /// The jobs, in an order in which they can be done; those on hypervisors that are
    /// away wait, and nothing after them is planned.
    pub jobs: Vec<PlannedJob>,
    /// Backups that can be read now, and not afterwards.
    pub unreadable: Vec<(ClusterName, BackupId)>,
    /// Clusters that had API servers before.
    pub served: BTreeSet<ClusterName>,
}

/// A job that a command causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedJob {
    /// The job, but for its generation.
    pub job: Job,
    /// Its hypervisor is away.
    pub waits: bool,
}

/// Key material without keys.
struct DryMint {
    now_ms: u64,
}

impl DryMint {
    fn credential(&self, name: &str) -> Credential {
        let not_after_ms = self.now_ms.saturating_add(LIFE_MS);
        Credential { name: name.to_owned(), public: Vec::new(), sealed: Vec::new(), not_after_ms }
    }
}

impl Mint for DryMint {
    fn ca(&self, _: ClusterUid, authority: Ca) -> Result<Credential, MintError> {
        Ok(self.credential(authority.name()))
    }
    fn key_pair(&self, _: ClusterUid, name: &str) -> Result<Credential, MintError> {
        Ok(self.credential(name))
    }
    fn secret(&self, _: ClusterUid, name: &str) -> Result<Credential, MintError> {
        Ok(self.credential(name))
    }
    fn reseal(
        &self,
        _: ClusterUid,
        credential: &Credential,
        _: ClusterUid,
    ) -> Result<Credential, MintError> {
        Ok(self.credential(&credential.name))
    }
    fn leaf(&self, _: ClusterUid, _: &Credential, leaf: &Leaf) -> Result<Credential, MintError> {
        Ok(self.credential(leaf.name()))
    }
}

/// A copy of the state in which everything works out.
struct Rehearsal<'a> {
    state: State,
    now_ms: u64,
    events: Vec<Event>,
    scopes: BTreeSet<Scope>,
    /// Jobs that were owed before, or are done here.
    seen: BTreeSet<JobId>,
    jobs: Vec<PlannedJob>,
    /// How many commands followed by themselves.
    followed: usize,
    /// Says no when it takes too long.
    go_on: &'a dyn Fn() -> bool,
    /// It was not finished.
    cut_off: bool,
}

impl Rehearsal<'_> {
    /// Whether there is time left; where not, it stays unfinished.
    fn goes_on(&mut self) -> bool {
        self.cut_off |= !(self.go_on)();
        !self.cut_off
    }

    fn run(&mut self, envelope: &CommandEnvelope) -> Result<(), Rejection> {
        let mint = DryMint { now_ms: self.now_ms };
        let events = decide(
            &self.state,
            envelope,
            &Context { now_ms: self.now_ms, mint: &mint, begins: Some(FEATURE_LEVEL) },
        )?;
        if events.is_empty() {
            return Ok(());
        }
        let header = CommitHeader {
            command_id: envelope.id,
            correlation: envelope.correlation,
            actor: envelope.actor.clone(),
            time_ms: self.now_ms,
            previous: self.state.head,
        };
        let command = envelope.command.clone();
        let commit = Commit { header, command, events: events.clone() };
        let (position, hash) = (self.state.position + 1, self.state.head);
        apply(&mut self.state, &RecordedCommit { position, commit, hash });
        self.scopes.extend(events.iter().map(Scope::of));
        let outcome = |e: &Event| matches!(e, Event::Job(JobEvent::JobSucceeded(_)));
        self.events.extend(events.into_iter().filter(|e| !outcome(e)));
        Ok(())
    }

    /// Decides a command: where it must wait for what those before it set going, after that.
    fn ask(&mut self, envelope: &CommandEnvelope) -> Result<(), Rejection> {
        match self.run(envelope) {
            Err(busy @ (Rejection::MembershipBusy { .. } | Rejection::ClusterBusy(_))) => {
                let done = self.jobs.len();
                self.carry_out()?;
                if self.jobs.len() == done { Err(busy) } else { self.run(envelope) }
            }
            decided => decided,
        }
    }

    /// What follows by itself.
    fn follow(&mut self, command: impl Into<Command>) -> Result<(), Rejection> {
        let id = CommandId(uuid::Uuid::from_u128(self.followed as u128));
        self.followed += 1;
        self.run(&CommandEnvelope::new(id, "plan", self.now_ms, command))
    }

    /// Does all that is owed, as one job after the other, and what a rotation makes anew.
    fn carry_out(&mut self) -> Result<(), Rejection> {
        while self.followed < MANY && self.goes_on() {
            let Some(job) = self.owed().into_iter().find(|job| !self.seen.contains(&job.id)) else {
                if self.renew()? {
                    continue;
                }
                break;
            };
            self.seen.insert(job.id.clone());
            let waits = self.is_away(&job);
            if !waits {
                let result = JobResult::Succeeded(output_of(&job));
                self.follow(ReportJobV2 { job: job.id.clone(), result, took_ms: 0 })?;
            }
            self.jobs.push(PlannedJob { job, waits });
        }
        Ok(())
    }

    /// Certificates that a rotation makes anew, of one node; whether there were any.
    fn renew(&mut self) -> Result<bool, Rejection> {
        let rotates = |c: &ClusterName| {
            self.scopes.contains(&Scope::Cluster(c.clone()))
                && self.state.clusters.get(c).is_some_and(|c| c.rotation.is_some())
        };
        let renewal = due(&self.state, self.now_ms)
            .into_iter()
            .find(|c| matches!(c, Command::Node(NodeCommand::RenewCertificates(c)) if rotates(&c.cluster)));
        let Some(renewal) = renewal else { return Ok(false) };
        let events = self.events.len();
        self.follow(renewal)?;
        Ok(self.events.len() > events)
    }

    fn owed(&self) -> Vec<Job> {
        self.scopes.iter().flat_map(|scope| owed_in(&self.state, scope)).collect()
    }

    fn is_away(&self, job: &Job) -> bool {
        let h = job.hypervisor.as_ref().and_then(|name| self.state.hypervisors.get(name));
        // Leaving a cluster is done from where the others are.
        job.kind != JobKind::LeaveCluster && h.is_some_and(|h| h.is_away())
    }
}

/// What these commands would do, one after the other.
pub fn plan(state: &State, commands: &[CommandEnvelope], now_ms: u64) -> Plan {
    rehearse(state, commands, now_ms, &|| true).0
}

/// The same; none where it was not finished while `go_on` said yes.
pub fn plan_while(
    state: &State,
    commands: &[CommandEnvelope],
    now_ms: u64,
    go_on: &dyn Fn() -> bool,
) -> Option<Plan> {
    let (plan, finished) = rehearse(state, commands, now_ms, go_on);
    finished.then_some(plan)
}

/// The plan, and whether it was finished.
fn rehearse(
    state: &State,
    commands: &[CommandEnvelope],
    now_ms: u64,
    go_on: &dyn Fn() -> bool,
) -> (Plan, bool) {
    let seen = Scope::all(state).flat_map(|s| owed_in(state, &s)).map(|job| job.id).collect();
    let mut rehearsal = Rehearsal {
        state: state.clone(),
        now_ms,
        events: Vec::new(),
        scopes: BTreeSet::new(),
        seen,
        jobs: Vec::new(),
        followed: 0,
        go_on,
        cut_off: false,
    };
    let mut refused = None;
    for command in commands {
        if refused.is_some() || !rehearsal.goes_on() {
            break;
        }
        refused = rehearsal.ask(command).err();
    }
    let refused = refused.or(rehearsal.carry_out().err());
    let serves = |c: &Cluster| !c.carriers(Component::ApiServer).is_empty();
    let served = state.clusters.iter().filter(|(_, c)| serves(c));
    let served = served.map(|(name, _)| name.clone()).collect();
    let unreadable = unreadable(state, &rehearsal.state);
    let Rehearsal { events, jobs, cut_off, .. } = rehearsal;
    let plan = Plan { position: state.position, refused, events, jobs, unreadable, served };
    (plan, !cut_off)
}

fn unreadable(before: &State, after: &State) -> Vec<(ClusterName, BackupId)> {
    let mut lost = Vec::new();
    for (name, cluster) in &before.clusters {
        let then = after.clusters.get(name).filter(|then| then.uid == cluster.uid);
        let readable = |b: &&BackupId| cluster.is_readable(**b);
        let stays = |b: &BackupId| then.is_some_and(|then| then.is_readable(*b));
        let all = cluster.backups.keys().filter(readable).filter(|b| !stays(b));
        lost.extend(all.map(|b| (name.clone(), *b)));
    }
    lost
}

/// What a job gives that works out.
fn output_of(job: &Job) -> JobOutput {
    if job.kind != JobKind::TakeBackup {
        return JobOutput::None;
    }
    JobOutput::Backup(SnapshotV1 {
        position: 0,
        object: String::new(),
        bytes: 0,
        sha256: Hash::ZERO,
    })
}

/// For each event of a plan, whether it is carried out by replacing a container that runs.
pub fn restarts(plan: &Plan) -> Vec<bool> {
    // haproxy is told to read again; etcd and the API server know their authorities from
    // their start.
    let node_of = |j: &PlannedJob| Some((j.job.cluster.clone()?, j.job.node.clone()?));
    let ingresses: BTreeSet<_> = plan
        .jobs
        .iter()
        .filter(|j| j.job.kind == JobKind::EnsureIngress)
        .filter_map(node_of)
        .collect();
    let mut trust_changes = BTreeSet::new();
    let restarts = |event: &Event| {
        let facts = event.facts();
        let Some(cluster) = facts.about.cluster else { return false };
        match facts.restarts {
            Restarts::Nothing => false,
            Restarts::Container => true,
            Restarts::ApiServers => plan.served.contains(&cluster),
            Restarts::NewTrust => {
                trust_changes.insert(cluster);
                false
            }
            Restarts::WithNewTrust => {
                let changes = trust_changes.contains(&cluster);
                let node = facts.about.node.map(|node| (cluster, node));
                changes && node.is_some_and(|node| !ingresses.contains(&node))
            }
        }
    };
    plan.events.iter().map(restarts).collect()
}
