//! What runs keeps its hash: a release that describes the same state in other bytes restarts
//! every control plane. `tests/golden/desired.txt` has a hash for each sandbox, container, set of
//! files and add-on object of a fixed state. A line that changes is a restart, or an object that
//! is written again, after an upgrade of `oi-server`.
//!
//! After an intended change, remove the file and run the test with `OI_GOLDEN=create`.
#![allow(clippy::unwrap_used, missing_docs)]

use oi_cri::{FileOp, PodSpec};
use oi_domain::*;
use oi_events::*;
use oi_keyring::Keyring;
use oi_pki::DataKey;
use oi_tunnel::Key;
use oi_worker::addons::{ClusterContext, ClusterSecrets, JoinToken, Object, objects};
use oi_worker::desired::shared_port::SharedPort;
use oi_worker::desired::{NodeContext, Secrets, control_plane, etcd, ingress};
use oi_worker::tunnel;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;
use uuid::Uuid;

/// The label of add-ons.
const OWNED: &str = "oi/addon";

/// Makes key material that is the same each time.
struct FixedMint<'a>(&'a DataKey);

impl FixedMint<'_> {
    fn credential(&self, cluster: ClusterUid, name: &str) -> Result<Credential, MintError> {
        let private = Sha256::digest(name);
        let sealed = Keyring::seal(self.0, cluster, name, &private)
            .map_err(|source| MintError { what: name.to_owned(), source: source.into() })?;
        let (name, public) = (name.to_owned(), format!("public {name}").into_bytes());
        Ok(Credential { name, public, sealed, not_after_ms: 2_000_000_000_000 })
    }
}

impl Mint for FixedMint<'_> {
    fn ca(&self, cluster: ClusterUid, ca: Ca) -> Result<Credential, MintError> {
        self.credential(cluster, ca.name())
    }
    fn key_pair(&self, cluster: ClusterUid, name: &str) -> Result<Credential, MintError> {
        self.credential(cluster, name)
    }
    fn secret(&self, cluster: ClusterUid, name: &str) -> Result<Credential, MintError> {
        self.credential(cluster, name)
    }
    fn reseal(
        &self,
        _: ClusterUid,
        credential: &Credential,
        cluster: ClusterUid,
    ) -> Result<Credential, MintError> {
        self.credential(cluster, &credential.name)
    }
    fn leaf(
        &self,
        cluster: ClusterUid,
        _: &Credential,
        leaf: &Leaf,
    ) -> Result<Credential, MintError> {
        self.credential(cluster, leaf.name())
    }
}

/// A state to which commands are applied, with the key that opens its credentials.
struct World {
    state: State,
    key: DataKey,
    ids: u128,
}

fn name<T: FromStr<Err = IdError>>(text: &str) -> T {
    text.parse().unwrap()
}

impl World {
    fn new() -> World {
        World { state: State::default(), key: DataKey::generate().unwrap(), ids: 0 }
    }

    fn run(&mut self, command: impl Into<Command>) {
        let now_ms = 1_790_000_000_000;
        self.ids += 1;
        let id = CommandId(Uuid::from_u128(self.ids));
        let envelope = CommandEnvelope::new(id, "tester", now_ms, command);
        let context = Context { now_ms, mint: &FixedMint(&self.key), begins: None };
        let events = decide(&self.state, &envelope, &context).unwrap();
        if events.is_empty() {
            return;
        }
        let header = CommitHeader {
            command_id: envelope.id,
            correlation: envelope.correlation,
            actor: envelope.actor,
            time_ms: now_ms,
            previous: self.state.head,
        };
        let commit = Commit { header, command: envelope.command, events };
        let hash = commit.header.hash("test", &commit.encode_body().unwrap());
        let position = self.state.position + 1;
        apply(&mut self.state, &RecordedCommit { position, commit, hash });
    }

    /// Reports success for everything that is owed.
    fn settle(&mut self) {
        while let Some(job) = owed(&self.state).into_iter().next() {
            let result = JobResult::Succeeded(JobOutput::None);
            self.run(ReportJobV2 { job: job.id, result, took_ms: 1 });
        }
    }

    fn register(&mut self, host: &str, public: bool, address: &str) {
        self.run(RegisterHypervisorV1 {
            name: name(host),
            cri_endpoint: format!("unix:///run/{host}.sock"),
            tls: None,
            public,
            address: address.parse().unwrap(),
            port_low: 30_000,
            port_high: 30_019,
            data_dir: "/var/lib/oi".to_owned(),
            max_nodes: None,
        });
        let seen = Observation::HypervisorReachable { name: name(host), runtime: "x".to_owned() };
        self.run(ReportObservationV1 { observation: seen });
        self.settle();
    }

    fn create(&mut self, cluster: &str, nodes: &[(&str, Role)]) {
        self.run(CreateClusterV1 {
            name: name(cluster),
            spec: ClusterSpec {
                kubernetes_version: name("v1.36.3"),
                pod_cidr: "10.244.0.0/16".to_owned(),
                service_cidr: "10.96.0.0/12".to_owned(),
                dns_domain: "cluster.local".to_owned(),
                extra_sans: vec!["api.example.org".to_owned()],
            },
        });
        for (node, role) in nodes {
            let (cluster, role) = (name(cluster), *role);
            self.run(AddNodeV1 { cluster, name: name(node), role, hypervisor: None });
        }
        self.settle();
    }
}

/// A cluster with everything that a cluster can have, one with add-ons only, and one with neither.
fn world() -> World {
    let mut world = World::new();
    world.register("hv-private", false, "192.0.2.1");
    world.register("hv-public", true, "192.0.2.2");
    world.create("bare", &[("cp-1", Role::ControlPlane), ("lb-1", Role::ControlPlaneIngress)]);
    world.run(RaiseFeatureLevelV1 { level: FEATURE_LEVEL });
    world.run(SharePortsV1 { name: name("hv-public"), ports: vec![6443] });
    world.create(
        "full",
        &[
            ("cp-1", Role::ControlPlane),
            ("cp-2", Role::ControlPlane),
            ("lb-1", Role::ControlPlaneIngress),
        ],
    );
    world.run(ScaleClusterV1 {
        name: name("full"),
        api_servers: Some(3),
        controller_managers: Some(1),
        schedulers: Some(1),
    });
    let addons = Addons { cni: Cni::Flannel, kube_proxy: true, dns: true };
    world.run(SetAddonsV1 { cluster: name("full"), addons: addons.clone() });
    world.create("plain", &[("cp-1", Role::ControlPlane), ("lb-1", Role::ControlPlaneIngress)]);
    world.run(SetAddonsV1 { cluster: name("plain"), addons });
    world.settle();
    world.run(EnableTunnelV1 { cluster: name("full"), cidr: "10.254.0.0/24".to_owned() });
    let endpoint = Endpoint { host: "api.test".to_owned(), port: 6443, forwarded: false };
    world.run(SetEndpointV1 { cluster: name("full"), endpoint: Some(endpoint) });
    world.settle();
    let claim = |claim: &str| ClaimMapping { claim: claim.to_owned(), prefix: "oidc:".to_owned() };
    let issuer = Issuer {
        url: "https://issuer.example.org".to_owned(),
        discovery_url: Some("https://10.0.0.1/discovery".to_owned()),
        certificate_authority: None,
        audiences: vec!["kubernetes".to_owned(), "other".to_owned()],
        required_claims: vec![("hd".to_owned(), "example.org".to_owned())],
        username: claim("sub"),
        groups: Some(claim("groups")),
    };
    world.run(SetAuthenticationV1 { cluster: name("full"), issuers: vec![issuer] });
    world.settle();
    let (cluster, worker) = (name("full"), "worker-1".to_owned());
    let observation = Observation::PeerRequested { cluster, worker, public_key: [7; 32] };
    world.run(ReportObservationV1 { observation });
    world.settle();
    world
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..16])
}

/// `where what hash` lines of a pod and its files.
fn describe(at: &str, (pod, files): &(PodSpec, Vec<FileOp>)) -> Vec<String> {
    let mut lines =
        vec![format!("{at} {} sandbox {}", pod.name, &pod.sandbox_hash().unwrap()[..32])];
    for container in &pod.containers {
        let (name, hash) = (&container.name, container.hash().unwrap());
        lines.push(format!("{at} {} container {name} {}", pod.name, &hash[..32]));
    }
    let files = hash(&serde_json::to_vec(files).unwrap());
    lines.push(format!("{at} {} files {files}", pod.name));
    lines
}

fn node(world: &World, cluster: &ClusterName, node: &NodeName) -> Vec<String> {
    let ctx = NodeContext::find(&world.state, cluster, node).unwrap();
    let secrets = Secrets { ctx: &ctx, key: &world.key };
    let mut pods = Vec::new();
    match ctx.node.role {
        Role::ControlPlane => {
            let initial_cluster = etcd::member_entry(&ctx).unwrap();
            let joining = etcd::Joining { initial_cluster, state: "existing" };
            pods.push(etcd::pod(&ctx, &secrets, &joining).unwrap());
            pods.push(control_plane::pod(&ctx, &secrets).unwrap());
            let attempt = etcd::restore_attempt(&ctx, "attempt").unwrap();
            pods.push((attempt.pod, Vec::new()));
        }
        Role::ApiServer => pods.push(control_plane::pod(&ctx, &secrets).unwrap()),
        Role::ControlPlaneIngress => {
            pods.push(ingress::pod(&ctx, &secrets).unwrap());
            pods.extend(tunnel::pods::hub(&ctx, &secrets).unwrap());
        }
    }
    let at = format!("{cluster}/{node}");
    let mut lines: Vec<String> = pods.iter().flat_map(|pod| describe(&at, pod)).collect();
    let worker = ("worker-1".to_owned(), vec!["10.244.3.0/24".parse().unwrap()]);
    let files = tunnel::files(&ctx, &secrets, &BTreeMap::from([worker])).unwrap();
    lines.push(format!("{at} tunnel files {}", hash(&serde_json::to_vec(&files).unwrap())));
    lines
}

fn shared_ports(world: &World) -> Vec<String> {
    let host: HypervisorName = name("hv-public");
    let hypervisor = &world.state.hypervisors[&host];
    let routes = world.state.routes(&host);
    assert!(!routes.is_empty());
    let shared = SharedPort { hypervisor, port: 6443, routes };
    describe("hv-public", &shared.pod(17).unwrap())
}

/// An object with its keys in order, and without the label by which its owner finds it: neither
/// matters to what the object does.
fn canonical(object: &Value) -> Value {
    match object {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().map(|(k, v)| (k, canonical(v))).collect();
            let kept = sorted.into_iter().filter(|(key, _)| *key != OWNED);
            Value::Object(kept.map(|(k, v)| (k.clone(), v)).collect())
        }
        Value::Array(items) => items.iter().map(canonical).collect(),
        other => other.clone(),
    }
}

/// Objects by cluster and number of workers.
fn addons(world: &World, cluster: &str, workers: u64) -> Vec<String> {
    let context = ClusterContext::find(&world.state, &name(cluster)).unwrap();
    let token = JoinToken {
        id: name("abcdef"),
        secret: "0123456789abcdef".to_owned(),
        expires_ms: 1_800_000_000_000,
        description: "a rack".to_owned(),
    };
    let hub_key = context.hub.map(|_| Key([9; 32]));
    let secrets = ClusterSecrets { tokens: vec![token], hub_key };
    let all = objects(&context, &secrets, workers).unwrap();
    let line = |object: &Object| {
        let hash = hash(canonical(&object.0).to_string().as_bytes());
        format!("{cluster} with {workers} workers: {} {hash}", object.title())
    };
    all.iter().map(line).collect()
}

#[test]
fn what_runs_keeps_its_hash() {
    let world = world();
    let mut lines = Vec::new();
    for (cluster, c) in &world.state.clusters {
        for name in c.nodes.keys() {
            lines.extend(node(&world, cluster, name));
        }
    }
    lines.extend(shared_ports(&world));
    for (cluster, workers) in [("full", 1), ("full", 40), ("plain", 2)] {
        lines.extend(addons(&world, cluster, workers));
    }
    let text = lines.join("\n") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/desired.txt");
    if !path.exists() && std::env::var_os("OI_GOLDEN").is_some_and(|v| v == "create") {
        std::fs::write(&path, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    let golden: BTreeSet<&str> = golden.lines().collect();
    let lines: BTreeSet<&str> = lines.iter().map(String::as_str).collect();
    let changed: Vec<_> = golden.symmetric_difference(&lines).collect();
    assert!(changed.is_empty(), "{changed:#?}");
}

#[test]
fn members_of_two_clusters_and_of_before_and_after_a_restore_have_other_tokens() {
    let world = world();
    let mut tokens = BTreeSet::new();
    for cluster in ["full", "plain"] {
        let ctx = NodeContext::find(&world.state, &name(cluster), &name("cp-1")).unwrap();
        let secrets = Secrets { ctx: &ctx, key: &world.key };
        let initial_cluster = etcd::member_entry(&ctx).unwrap();
        let joining = etcd::Joining { initial_cluster, state: "new" };
        let (pod, _) = etcd::pod(&ctx, &secrets, &joining).unwrap();
        tokens.insert(pod.containers[0].first_start_env["ETCD_INITIAL_CLUSTER_TOKEN"].clone());
        let restore = etcd::restore_attempt(&ctx, "attempt").unwrap().pod;
        let flags = restore.containers[0].command.iter();
        let token = flags.filter_map(|f| f.strip_prefix("--initial-cluster-token="));
        tokens.extend(token.map(str::to_owned));
    }
    assert_eq!(tokens.len(), 4, "{tokens:?}");
}
