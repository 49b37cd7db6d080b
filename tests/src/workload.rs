//! A log as a busy platform would write it, made by the rules from a seed.

use oi_domain::{
    Ca, ClusterPhase, Context, Leaf, Mint, MintError, Scope, State, apply, decide, due,
    fingerprint, is_owed, owed_in,
};
use oi_events::*;
use oi_journal::{StoredCommit, subject_of};
use std::collections::{BTreeSet, VecDeque};
use uuid::Uuid;

/// At most so many clusters at a time.
const CLUSTERS: u64 = 24;
const HYPERVISORS: u64 = 12;
/// Each of them stands for something that happens; most are pods that are found dead.
const WHIMS: u64 = 24;

/// Small numbers that look random: Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Keys that are as long as real ones, and mean nothing.
struct Dummy(u64);

impl Dummy {
    fn credential(&self, name: &str) -> Credential {
        let fill = |length: usize| -> Vec<u8> {
            let mut random = Random(self.0 * 2 + length as u64 + name.len() as u64 + 1);
            (0..length).map(|_| random.below(256) as u8).collect()
        };
        let not_after_ms = 1_790_000_000_000 + 365 * 24 * 3_600_000 + self.0 * 1000;
        Credential { name: name.to_owned(), public: fill(400), sealed: fill(180), not_after_ms }
    }
}

impl Mint for Dummy {
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
        Ok(credential.clone())
    }
    fn leaf(&self, _: ClusterUid, _: &Credential, leaf: &Leaf) -> Result<Credential, MintError> {
        Ok(self.credential(leaf.name()))
    }
}

/// An endless log. Equal seeds give equal logs, as long as the rules are the same.
pub struct Workload {
    state: State,
    random: Random,
    now_ms: u64,
    asked: u128,
    /// Jobs that were owed and not reported yet; some are owed no longer.
    jobs: VecDeque<JobId>,
    queued: BTreeSet<JobId>,
    /// Commands that are to come next, in this order.
    planned: VecDeque<Command>,
    names: u64,
}

fn count(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn name<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

impl Workload {
    /// A log from a seed, which is not 0.
    pub fn new(seed: u64) -> Workload {
        let mut workload = Workload {
            state: State::default(),
            random: Random(seed),
            now_ms: 1_790_000_000_000,
            asked: 0,
            jobs: VecDeque::new(),
            queued: BTreeSet::new(),
            planned: VecDeque::new(),
            names: 0,
        };
        workload.planned.extend((0..HYPERVISORS).flat_map(hypervisor));
        workload
    }

    /// The state after all commits so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    fn cluster(&mut self) -> Option<ClusterName> {
        let count = self.state.clusters.len() as u64;
        let index = self.random.below(count.max(1));
        self.state.clusters.keys().nth(usize::try_from(index).ok()?).cloned()
    }

    fn node(&mut self) -> Option<(ClusterName, NodeName, Generation)> {
        let cluster = self.cluster()?;
        let nodes = &self.state.clusters.get(&cluster)?.nodes;
        let index = self.random.below((nodes.len() as u64).max(1));
        let (name, node) = nodes.iter().nth(usize::try_from(index).ok()?)?;
        Some((cluster, name.clone(), node.generation))
    }

    /// A cluster with three members and an ingress.
    fn plan_cluster(&mut self) -> Option<()> {
        self.names += 1;
        let cluster: ClusterName = name(&format!("cluster-{}", self.names))?;
        self.planned.push_back(
            CreateClusterV1 {
                name: cluster.clone(),
                spec: ClusterSpec {
                    kubernetes_version: name("v1.35.4")?,
                    pod_cidr: "10.244.0.0/16".to_owned(),
                    service_cidr: "10.96.0.0/12".to_owned(),
                    dns_domain: "cluster.local".to_owned(),
                    extra_sans: Vec::new(),
                },
            }
            .into(),
        );
        for (node, role) in [
            ("cp-1", Role::ControlPlane),
            ("cp-2", Role::ControlPlane),
            ("cp-3", Role::ControlPlane),
            ("lb-1", Role::ControlPlaneIngress),
        ] {
            let (cluster, hypervisor) = (cluster.clone(), None);
            let name = name(node)?;
            self.planned.push_back(AddNodeV1 { cluster, name, role, hypervisor }.into());
        }
        Some(())
    }

    /// What somebody asks for, or a worker sees.
    fn whim(&mut self) -> Option<Command> {
        Some(match self.random.below(WHIMS) {
            0 if (self.state.clusters.len() as u64) < CLUSTERS => {
                self.plan_cluster();
                self.planned.pop_front()?
            }
            1 if self.random.below(12) == 0 => {
                DeleteClusterV2 { name: self.cluster()?, forget_orphans: false }.into()
            }
            2 if self.random.below(8) == 0 => {
                let to = name(if self.random.below(2) == 0 { "v1.36.3" } else { "v1.35.5" })?;
                UpgradeClusterV1 { name: self.cluster()?, to }.into()
            }
            3 if self.random.below(8) == 0 => {
                let hibernated = self.random.below(2) == 0;
                HibernateClusterV1 { name: self.cluster()?, hibernated }.into()
            }
            4 if self.random.below(8) == 0 => {
                let api_servers = Some(3 + count(self.random.below(2)));
                let (controller_managers, schedulers) = (None, None);
                let name = self.cluster()?;
                ScaleClusterV1 { name, api_servers, controller_managers, schedulers }.into()
            }
            5 if self.random.below(4) == 0 => {
                let (cluster, name, _) = self.node()?;
                RemoveNodeV1 { cluster, name }.into()
            }
            6 if self.random.below(2) == 0 => {
                let (every_ms, keep) = (3_600_000, 3 + count(self.random.below(5)));
                ScheduleBackupsV1 { name: self.cluster()?, every_ms, keep }.into()
            }
            7 if self.random.below(4) == 0 => {
                let (cluster, name) = (self.cluster()?, name("cp-4")?);
                let (role, hypervisor) = (Role::ControlPlane, None);
                AddNodeV1 { cluster, name, role, hypervisor }.into()
            }
            9 => {
                let name = name(&format!("hv-{}", self.random.below(HYPERVISORS)))?;
                CordonHypervisorV1 { name, cordoned: self.random.below(4) == 0 }.into()
            }
            10..=13 => {
                let cluster = self.cluster()?;
                let issuer = fingerprint(self.state.clusters.get(&cluster)?.signs_users()?);
                let serial = format!("{:x}", self.asked);
                let not_after_ms = self.now_ms + 3_600_000;
                let (common_name, organizations) = ("alice".to_owned(), vec!["ops".to_owned()]);
                RecordKubeconfigV2 {
                    cluster,
                    common_name,
                    organizations,
                    serial,
                    not_after_ms,
                    issuer,
                }
                .into()
            }
            _ => {
                let (cluster, node, generation) = self.node()?;
                let (what, reason) = ("1 container(s)".to_owned(), "found dead".to_owned());
                let observation =
                    Observation::PodRestarted { cluster, node, generation, what, reason };
                ReportObservationV1 { observation }.into()
            }
        })
    }

    fn report(&mut self, job: JobId) -> Command {
        let taken = matches!(
            JobTarget::parse(&job),
            Some(JobTarget::Backup { step: JobKind::TakeBackup, .. })
        );
        let output = if taken {
            let (object, bytes) = (format!("snapshot-{}", self.state.position), 4096);
            let (position, sha256) = (self.state.position, Hash([1; 32]));
            JobOutput::Backup(SnapshotV1 { position, object, bytes, sha256 })
        } else {
            JobOutput::None
        };
        let result = match self.random.below(40) {
            0 => JobResult::Failed {
                message: "the runtime did not answer".to_owned(),
                class: FailureClass::Transient,
            },
            _ => JobResult::Succeeded(output),
        };
        ReportJobV2 { job, result, took_ms: 200 + self.random.below(5000) }.into()
    }

    fn command(&mut self) -> Option<(String, Command)> {
        if let Some(command) = self.planned.pop_front() {
            return Some(("alice".to_owned(), command));
        }
        if self.random.below(200) == 0 {
            let due = due(&self.state, self.now_ms).into_iter().next();
            return due.map(|command| ("system:decider:one".to_owned(), command));
        }
        if self.random.below(8) > 0
            && let Some(job) = self.jobs.pop_front()
        {
            self.queued.remove(&job);
            let owed = is_owed(&self.state, &job);
            return owed.then(|| ("system:worker:one".to_owned(), self.report(job)));
        }
        let actor = if self.random.below(2) == 0 { "alice" } else { "bob" };
        self.whim().map(|command| (actor.to_owned(), command))
    }

    /// Decides one command; none where it was refused or changed nothing.
    fn step(&mut self) -> Option<StoredCommit> {
        self.now_ms += 1 + self.random.below(2000);
        let (actor, command) = self.command()?;
        self.asked += 1;
        let id = CommandId(Uuid::from_u128(self.asked));
        let envelope = CommandEnvelope::new(id, actor, self.now_ms, command);
        let mint = Dummy(self.state.position + 1);
        let context = Context { now_ms: self.now_ms, mint: &mint, begins: None };
        let events = decide(&self.state, &envelope, &context).ok()?;
        if events.is_empty() {
            return None;
        }
        let header = CommitHeader {
            command_id: id,
            correlation: id,
            actor: envelope.actor,
            time_ms: self.now_ms,
            previous: self.state.head,
        };
        let commit = Commit { header, command: envelope.command, events };
        let (subject, body) = (subject_of(&commit.command), commit.encode_body().ok()?);
        let hash = commit.header.hash(&subject, &body);
        let position = self.state.position + 1;
        let header = commit.header.clone();
        let recorded = RecordedCommit { position, commit, hash };
        apply(&mut self.state, &recorded);
        let scopes: BTreeSet<Scope> = recorded.commit.events.iter().map(Scope::of).collect();
        for job in scopes.iter().flat_map(|scope| owed_in(&self.state, scope)) {
            if self.queued.insert(job.id.clone()) {
                self.jobs.push_back(job.id);
            }
        }
        Some(StoredCommit::kept(position, subject, header, hash, body.into()))
    }

    /// How many clusters are ready, for a look at what the log is about.
    pub fn ready(&self) -> usize {
        self.state.clusters.values().filter(|c| c.phase == ClusterPhase::Ready).count()
    }
}

/// Every third one is public.
fn hypervisor(n: u64) -> Vec<Command> {
    let Some(hypervisor) = name::<HypervisorName>(&format!("hv-{n}")) else { return Vec::new() };
    let address = std::net::Ipv4Addr::new(192, 0, 2, u8::try_from(n).unwrap_or_default() + 1);
    let register = RegisterHypervisorV1 {
        name: hypervisor.clone(),
        cri_endpoint: format!("unix:///run/hv-{n}.sock"),
        tls: None,
        public: n % 3 == 2,
        address: address.into(),
        port_low: 30_000,
        port_high: 30_999,
        data_dir: "/var/lib/oi".to_owned(),
        max_nodes: None,
    };
    let runtime = "containerd v2".to_owned();
    let seen = Observation::HypervisorReachable { name: hypervisor, runtime };
    vec![register.into(), ReportObservationV1 { observation: seen }.into()]
}

impl Iterator for Workload {
    type Item = StoredCommit;

    fn next(&mut self) -> Option<StoredCommit> {
        loop {
            if let Some(commit) = self.step() {
                return Some(commit);
            }
        }
    }
}
