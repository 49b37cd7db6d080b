//! Given events, when a command, then events: a world in which commands are decided
//! and folded, with keys that are plain names.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use oi_domain::*;
use oi_events::*;
use std::str::FromStr;
use uuid::Uuid;

/// Keys that tell what they are for, and at which position they were made.
pub struct PlainMint(pub u64);

fn credential(name: &str, public: String) -> Credential {
    Credential {
        name: name.to_owned(),
        public: public.into_bytes(),
        sealed: b"sealed".to_vec(),
        not_after_ms: 2_000_000_000_000,
    }
}

impl Mint for PlainMint {
    fn ca(&self, cluster: ClusterUid, a: Ca) -> Result<Credential, MintError> {
        Ok(credential(a.name(), format!("authority of {cluster} at {}", self.0)))
    }
    fn key_pair(&self, _: ClusterUid, name: &str) -> Result<Credential, MintError> {
        Ok(credential(name, String::new()))
    }
    fn secret(&self, _: ClusterUid, name: &str) -> Result<Credential, MintError> {
        Ok(credential(name, String::new()))
    }
    fn reseal(
        &self,
        _: ClusterUid,
        c: &Credential,
        _: ClusterUid,
    ) -> Result<Credential, MintError> {
        Ok(c.clone())
    }
    fn leaf(&self, _: ClusterUid, issuer: &Credential, l: &Leaf) -> Result<Credential, MintError> {
        let by = String::from_utf8_lossy(&issuer.public);
        Ok(credential(l.name(), format!("{l:?} by {} {by}", issuer.name)))
    }
}

/// A mint that has run dry.
pub struct NoMint;

impl Mint for NoMint {
    fn ca(&self, _: ClusterUid, a: Ca) -> Result<Credential, MintError> {
        Err(MintError { what: a.name().to_owned(), source: "no entropy".into() })
    }
    fn key_pair(&self, _: ClusterUid, n: &str) -> Result<Credential, MintError> {
        Err(MintError { what: n.to_owned(), source: "no entropy".into() })
    }
    fn secret(&self, _: ClusterUid, n: &str) -> Result<Credential, MintError> {
        Err(MintError { what: n.to_owned(), source: "no entropy".into() })
    }
    fn reseal(
        &self,
        _: ClusterUid,
        c: &Credential,
        _: ClusterUid,
    ) -> Result<Credential, MintError> {
        Err(MintError { what: c.name.clone(), source: "no entropy".into() })
    }
    fn leaf(&self, _: ClusterUid, _: &Credential, l: &Leaf) -> Result<Credential, MintError> {
        Err(MintError { what: l.name().to_owned(), source: "no entropy".into() })
    }
}

/// A typed name.
pub fn name<T: FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().unwrap()
}

/// A log and its state.
#[derive(Default, Clone)]
pub struct World {
    pub state: State,
    pub log: Vec<RecordedCommit>,
    pub now_ms: u64,
    ids: u128,
}

impl World {
    /// Empty, at a moment in 2026.
    pub fn new() -> World {
        World { now_ms: 1_790_000_000_000, ..World::default() }
    }

    /// Two private hypervisors and a public one, all reachable and prepared.
    pub fn with_hypervisors() -> World {
        let mut world = World::new();
        for n in 0..3 {
            let h = hypervisor(n);
            let name = h.name.clone();
            world.run(h);
            let seen = Observation::HypervisorReachable { name, runtime: "containerd".to_owned() };
            world.run(ReportObservationV1 { observation: seen });
        }
        world.finish_all();
        world
    }

    /// The same with a ready cluster `test` of one control plane and one ingress.
    pub fn with_cluster() -> World {
        let mut world = World::with_hypervisors();
        world.run(cluster("test"));
        world.run(node("test", "cp-1", Role::ControlPlane));
        world.run(node("test", "lb-1", Role::ControlPlaneIngress));
        world.finish_all();
        world
    }

    /// The same with add-ons and a tunnel, to whose hub the API server has a link.
    pub fn with_tunnel() -> World {
        let mut world = World::with_cluster();
        world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
        let addons = Addons { cni: Cni::Flannel, kube_proxy: true, dns: true };
        world.run(SetAddonsV1 { cluster: name("test"), addons });
        world.finish_all();
        world.run(EnableTunnelV1 { cluster: name("test"), cidr: "10.254.0.0/24".to_owned() });
        world.finish_all();
        world
    }

    pub fn envelope(&self, command: impl Into<Command>) -> CommandEnvelope {
        let id = CommandId(Uuid::from_u128(self.ids + 1));
        CommandEnvelope::new(id, "tester", self.now_ms, command)
    }

    pub fn decide(&self, envelope: &CommandEnvelope) -> Result<Vec<Event>, Rejection> {
        let mint = PlainMint(self.state.position);
        decide(&self.state, envelope, &Context { now_ms: self.now_ms, mint: &mint, begins: None })
    }

    /// Decides, and folds what came of it.
    pub fn try_run(&mut self, command: impl Into<Command>) -> Result<Vec<Event>, Rejection> {
        let envelope = self.envelope(command);
        self.ids += 1;
        let events = self.decide(&envelope)?;
        if !events.is_empty() {
            self.commit(envelope, events.clone());
        }
        Ok(events)
    }

    pub fn commit(&mut self, envelope: CommandEnvelope, events: Vec<Event>) {
        let header = CommitHeader {
            command_id: envelope.id,
            correlation: envelope.correlation,
            actor: envelope.actor,
            time_ms: self.now_ms,
            previous: self.state.head,
        };
        let commit = Commit { header, command: envelope.command, events };
        let body = commit.encode_body().unwrap();
        let hash = commit.header.hash("oi.events.test", &body);
        let recorded = RecordedCommit { position: self.state.position + 1, commit, hash };
        apply(&mut self.state, &recorded);
        self.log.push(recorded);
    }

    /// Runs a command that must not be refused.
    pub fn run(&mut self, command: impl Into<Command>) -> Vec<Event> {
        self.try_run(command).unwrap()
    }

    /// The code of the rejection; nothing may have changed.
    pub fn rejection(&mut self, command: impl Into<Command>) -> &'static str {
        let before = self.state.clone();
        let rejection = self.try_run(command).unwrap_err();
        assert_eq!(self.state, before);
        assert!(rejection.to_string().len() > 15, "{rejection}");
        rejection.code().as_str()
    }

    pub fn owed(&self) -> Vec<String> {
        owed(&self.state).into_iter().map(|j| j.id.0).collect()
    }

    pub fn succeed(&mut self, job: &str) -> Vec<Event> {
        let taken = matches!(
            JobTarget::parse(&JobId(job.to_owned())),
            Some(JobTarget::Backup { step: JobKind::TakeBackup, .. })
        );
        let output = if taken { JobOutput::Backup(snapshot()) } else { JobOutput::None };
        self.report(job, JobResult::Succeeded(output))
    }

    pub fn report(&mut self, job: &str, result: JobResult) -> Vec<Event> {
        self.run(ReportJobV2 { job: JobId(job.to_owned()), result, took_ms: 5 })
    }

    /// Does all that is owed, until nothing is.
    pub fn finish_all(&mut self) {
        while let Some(job) = self.owed().first() {
            let job = job.clone();
            self.succeed(&job);
        }
    }

    pub fn cluster(&self, cluster: &str) -> &Cluster {
        &self.state.clusters[&name::<ClusterName>(cluster)]
    }

    /// Whether authorities of any cluster are being replaced.
    pub fn rotates(&self) -> bool {
        self.state.clusters.values().any(|c| c.rotation.is_some())
    }

    pub fn node(&self, cluster: &str, node: &str) -> &Node {
        &self.cluster(cluster).nodes[&name::<NodeName>(node)]
    }
}

/// Number 2 and every third after it are public.
pub fn hypervisor(n: u8) -> RegisterHypervisorV1 {
    RegisterHypervisorV1 {
        name: name(&format!("hv-{n}")),
        cri_endpoint: format!("unix:///run/hv-{n}.sock"),
        tls: None,
        public: n % 3 == 2,
        address: format!("192.0.2.{}", n + 1).parse().unwrap(),
        port_low: 30_000,
        port_high: 30_009,
        data_dir: "/var/lib/oi".to_owned(),
        max_nodes: None,
    }
}

pub fn cluster(text: &str) -> CreateClusterV1 {
    let spec = ClusterSpec {
        kubernetes_version: name("v1.36.3"),
        pod_cidr: "10.244.0.0/16".to_owned(),
        service_cidr: "10.96.0.0/12".to_owned(),
        dns_domain: "cluster.local".to_owned(),
        extra_sans: Vec::new(),
    };
    CreateClusterV1 { name: name(text), spec }
}

/// A cluster of another release.
pub fn cluster_of(text: &str, version: &str) -> CreateClusterV1 {
    let mut command = cluster(text);
    command.spec.kubernetes_version = name(version);
    command
}

/// An OpenID Connect provider.
pub fn issuer(url: &str) -> Issuer {
    Issuer {
        url: url.to_owned(),
        discovery_url: None,
        certificate_authority: None,
        audiences: vec!["kubernetes".to_owned()],
        required_claims: Vec::new(),
        username: ClaimMapping { claim: "sub".to_owned(), prefix: "oidc:".to_owned() },
        groups: None,
    }
}

pub fn node(cluster: &str, text: &str, role: Role) -> AddNodeV1 {
    AddNodeV1 { cluster: name(cluster), name: name(text), role, hypervisor: None }
}

pub fn remove(cluster: &str, text: &str) -> RemoveNodeV1 {
    RemoveNodeV1 { cluster: name(cluster), name: name(text) }
}

pub fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|e| e.kind().name).collect()
}

/// What is reported of a machine that asks for a link to the tunnel of `test`.
pub fn link(worker: &str, key: u8) -> ReportObservationV1 {
    let (cluster, worker) = (name("test"), worker.to_owned());
    let observation = Observation::PeerRequested { cluster, worker, public_key: [key; 32] };
    ReportObservationV1 { observation }
}

/// What a worker reports of a backup.
pub fn snapshot() -> SnapshotV1 {
    let object = "a".to_owned();
    SnapshotV1 { position: 1, object, bytes: 3, sha256: Hash([1; 32]) }
}
