//! A whole life of a cluster over the in-memory CRI, with a real broker, decider and
//! worker: wherever a call is lost, the end is the same.
#![allow(clippy::unwrap_used, missing_docs)]

use oi_backup_store::Store;
use oi_cri::fake::{FakeCri, Serving, When};
use oi_cri::{
    CONTAINER_RUNNING, CriClient, Endpoint, FileOp, Helper, HelperSettings, PodSpec,
    ensure_sandbox, label,
};
use oi_decider::{Decider, DeciderHandles, DeciderSettings};
use oi_events::*;
use oi_journal::Journal;
use oi_journal::testing::{Broker, first_commit};
use oi_keyring::Keys;
use oi_pki::KeyEncryptionKey;
use oi_view::View;
use oi_worker::{Worker, WorkerHandles, WorkerSettings};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(60);
/// Not within a test.
const SELDOM: Duration = Duration::from_secs(3600);

struct Hypervisor {
    fake: FakeCri,
    dir: TempDir,
    _serving: Serving,
}

fn hypervisor() -> Hypervisor {
    let dir = tempfile::tempdir().unwrap();
    let fake = FakeCri::new(dir.path());
    let serving = fake.serve(&dir.path().join("cri.sock")).unwrap();
    Hypervisor { fake, dir, _serving: serving }
}

/// A platform with one private and one public hypervisor.
struct Platform {
    journal: Journal,
    view: View,
    private: Hypervisor,
    public: Hypervisor,
    tasks: JoinSet<()>,
    keys: Keys,
    store: Store,
    metrics: Arc<oi_worker::Metrics>,
    tidy_every: Duration,
    _dir: TempDir,
    _broker: Broker,
}

impl Platform {
    async fn start(workers: usize, times: usize) -> Platform {
        Platform::tidying(workers, times, SELDOM).await
    }

    async fn tidying(workers: usize, times: usize, tidy_every: Duration) -> Platform {
        let broker = Broker::start();
        let journal = broker.journal().await;
        Platform::on(broker, journal, workers, times, tidy_every).await
    }

    /// On the log of a release before.
    async fn of_level(level: u16) -> Platform {
        let broker = Broker::start();
        let journal = broker.journal().await;
        let raised = vec![FeatureLevelRaisedV1 { level }.into()];
        let first = first_commit(RaiseFeatureLevelV1 { level }, raised);
        journal.appender().append(&first, 0).await.unwrap();
        let platform = Platform::on(broker, journal, 1, 1, SELDOM).await;
        platform.register_both().await;
        platform.settled("registration").await;
        platform
    }

    async fn on(
        broker: Broker,
        journal: Journal,
        workers: usize,
        times: usize,
        tidy_every: Duration,
    ) -> Platform {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("file://{}/backups", dir.path().display())).unwrap();
        let key = KeyEncryptionKey::load_or_create(&dir.path().join("kek")).unwrap();
        let keys = Keys::new(journal.key_store(), Arc::new(key));
        let view = View::load(&journal.log(), &journal.snapshots()).await.unwrap();
        let mut tasks = JoinSet::new();
        let registry = prometheus::Registry::new();
        let metrics = Arc::new(oi_decider::Metrics::new(&registry).unwrap());
        let handles = DeciderHandles {
            broker_clock: journal.broker_clock(),
            appender: journal.appender(),
            commands: journal.command_inbox(),
            jobs: journal.job_queue(),
            keyring: keys.keyring(),
            key_maker: keys.maker(),
        };
        let decider = Decider::new(handles, view.clone(), metrics, DeciderSettings::new("d"));
        tasks.spawn(async move { decider.run(CancellationToken::new()).await });
        let metrics = Arc::new(oi_worker::Metrics::new(&registry).unwrap());
        let (follow, log) = (view.clone(), journal.log());
        tasks.spawn(async move { drop(follow.keep(&log, None).await) });
        let (private, public) = (hypervisor(), hypervisor());
        let (_dir, _broker) = (dir, broker);
        let mut platform = Platform {
            journal,
            view,
            private,
            public,
            tasks,
            keys,
            store,
            metrics,
            tidy_every,
            _dir,
            _broker,
        };
        for n in 0..workers {
            platform.start_worker(n, times);
        }
        platform
    }

    fn start_worker(&mut self, n: usize, times: usize) {
        let settings = WorkerSettings {
            name: format!("w{n}"),
            helper_image: "oi-helper".to_owned(),
            concurrency: 8,
            addons_every: Duration::from_secs(60),
            tidy_every: self.tidy_every,
            times,
            backups: Some(self.store.clone()),
        };
        let handles = WorkerHandles {
            log: self.journal.log(),
            jobs: self.journal.job_inbox(),
            commands: self.journal.command_outbox(),
            keyring: self.keys.keyring(),
            key_shredder: self.keys.shredder(),
        };
        let worker = Worker::new(handles, self.view.clone(), settings, self.metrics.clone());
        self.tasks.spawn(async move { worker.run(CancellationToken::new()).await });
    }

    /// A worker that takes no jobs, and knows nothing of what is decided from now on: as if it
    /// were cut off from the broker, or slept until it is not waited for any more.
    async fn add_cut_off_worker(&mut self) {
        let view = View::load(&self.journal.log(), &self.journal.snapshots()).await.unwrap();
        let settings = WorkerSettings {
            name: "cut-off".to_owned(),
            helper_image: "oi-helper".to_owned(),
            concurrency: 0,
            addons_every: Duration::from_secs(3600),
            tidy_every: Duration::from_secs(3600),
            times: 1,
            backups: None,
        };
        let handles = WorkerHandles {
            log: self.journal.log(),
            jobs: self.journal.job_inbox(),
            commands: self.journal.command_outbox(),
            keyring: self.keys.keyring(),
            key_shredder: self.keys.shredder(),
        };
        let metrics = oi_worker::Metrics::new(&prometheus::Registry::new()).unwrap();
        let worker = Worker::new(handles, view, settings, Arc::new(metrics));
        self.tasks.spawn(async move { worker.run(CancellationToken::new()).await });
    }

    /// The helper of a hypervisor, as another worker asks it.
    async fn helper(&self, name: &str, h: &Hypervisor) -> Helper {
        let endpoint = format!("unix://{}/cri.sock", h.dir.path().display());
        let client = CriClient::new(&Endpoint::parse(&endpoint, None).unwrap()).unwrap();
        let settings = HelperSettings {
            hypervisor: name.to_owned(),
            image: "oi-helper".to_owned(),
            data_dir: h.dir.path().display().to_string(),
        };
        Helper::ensure(&client, &settings).await.unwrap()
    }

    /// The directory of a node on a hypervisor.
    fn node_dir(&self, h: &Hypervisor, node: &str) -> std::path::PathBuf {
        let uid = self.view.read(|s| s.clusters.values().next().unwrap().uid);
        h.dir.path().join(format!("clusters/{uid}/{node}"))
    }

    async fn with_hypervisors(workers: usize) -> Platform {
        let platform = Platform::start(workers, 1).await;
        platform.register_both().await;
        platform.settled("registration").await;
        platform
    }

    async fn register_both(&self) {
        self.register("hv-private", &self.private, false).await;
        self.register("hv-public", &self.public, true).await;
    }

    async fn register(&self, name: &str, h: &Hypervisor, public: bool) {
        self.submit(RegisterHypervisorV1 {
            name: name.parse().unwrap(),
            cri_endpoint: format!("unix://{}/cri.sock", h.dir.path().display()),
            tls: None,
            public,
            address: if public { "192.0.2.2" } else { "192.0.2.1" }.parse().unwrap(),
            port_low: 30_000,
            port_high: 30_099,
            data_dir: h.dir.path().display().to_string(),
            max_nodes: None,
        })
        .await;
    }

    async fn submit(&self, command: impl Into<Command>) {
        let id = CommandId(Uuid::now_v7());
        let envelope = CommandEnvelope::new(id, "tests", 1_800_000_000_000, command);
        match self.journal.command_client().request(&envelope, LIMIT).await.unwrap() {
            Outcome::Rejected { message, .. } => panic!("{message}"),
            Outcome::Committed { position } | Outcome::Unchanged { position } => {
                self.view.wait_for(position).await.unwrap();
            }
        }
    }

    async fn create(&self) {
        self.create_named("test").await;
    }

    async fn create_named(&self, name: &str) {
        let cluster: ClusterName = name.parse().unwrap();
        self.submit(CreateClusterV1 {
            name: cluster.clone(),
            spec: oi_events::ClusterSpec {
                kubernetes_version: "v1.36.3".parse().unwrap(),
                pod_cidr: "10.244.0.0/16".to_owned(),
                service_cidr: "10.96.0.0/12".to_owned(),
                dns_domain: "cluster.local".to_owned(),
                extra_sans: Vec::new(),
            },
        })
        .await;
        self.add_to(name, "cp-1", Role::ControlPlane).await;
        self.add_to(name, "lb-1", Role::ControlPlaneIngress).await;
    }

    async fn add(&self, name: &str, role: Role) {
        self.add_to("test", name, role).await;
    }

    async fn add_to(&self, cluster: &str, name: &str, role: Role) {
        let (cluster, name) = (cluster.parse().unwrap(), name.parse().unwrap());
        self.submit(AddNodeV1 { cluster, name, role, hypervisor: None }).await;
    }

    async fn remove(&self, name: &str) {
        let (cluster, name) = ("test".parse().unwrap(), name.parse().unwrap());
        self.submit(RemoveNodeV1 { cluster, name }).await;
    }

    async fn hibernate(&self, hibernated: bool) {
        self.submit(HibernateClusterV1 { name: "test".parse().unwrap(), hibernated }).await;
    }

    async fn scale(&self, api_servers: u32, others: u32) {
        self.submit(ScaleClusterV1 {
            name: "test".parse().unwrap(),
            api_servers: Some(api_servers),
            controller_managers: Some(others),
            schedulers: Some(others),
        })
        .await;
    }

    async fn back_up(&self) {
        self.submit(BackupClusterV1 { name: "test".parse().unwrap() }).await;
    }

    async fn restore(&self) {
        let name: ClusterName = "test".parse().unwrap();
        let backup = self.view.read(|s| *s.clusters[&name].backups.keys().next().unwrap());
        self.submit(RestoreClusterV1 { name, backup }).await;
    }

    /// The file of the data of `cp-1`.
    fn database(&self) -> std::path::PathBuf {
        self.database_of("cp-1")
    }

    fn database_of(&self, node: &str) -> std::path::PathBuf {
        let uid = self.view.read(|s| s.clusters.values().next().unwrap().uid);
        self.private.dir.path().join(format!("clusters/{uid}/{node}/etcd/data/database"))
    }

    /// What the members of `cp-1` and `cp-2` hold.
    fn databases(&self) -> [String; 2] {
        ["cp-1", "cp-2"].map(|n| std::fs::read_to_string(self.database_of(n)).unwrap())
    }

    /// The files of backups.
    fn objects(&self) -> Vec<std::path::PathBuf> {
        walk(&self._dir.path().join("backups"))
    }

    /// Waits until a job has failed, and says why.
    async fn failure(&self, step: &str) -> String {
        let failed = || {
            self.view.read(|s| {
                let mut all = s.failures.iter();
                all.find(|(job, _)| job.0.ends_with(step)).map(|(_, f)| f.message.clone())
            })
        };
        let wait = async {
            loop {
                if let Some(message) = failed() {
                    return message;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap()
    }

    async fn rotate(&self, step: RotationStep) {
        self.submit(RotateCaV1 { name: "test".parse().unwrap(), step }).await;
    }

    async fn upgrade(&self) {
        self.upgrade_to("v1.36.4").await;
    }

    async fn upgrade_to(&self, to: &str) {
        let (name, to) = ("test".parse().unwrap(), to.parse().unwrap());
        self.submit(UpgradeClusterV1 { name, to }).await;
    }

    /// The image of each kube-apiserver.
    fn api_servers(&self) -> Vec<String> {
        let all = self.private.fake.containers();
        let images = all.into_iter().map(|c| c.image.unwrap().image);
        images.filter(|image| image.contains("kube-apiserver")).collect()
    }

    async fn delete(&self) {
        self.submit(DeleteClusterV2 { name: "test".parse().unwrap(), forget_orphans: false }).await;
    }

    /// Waits until nothing is owed, nor will be after a pause.
    async fn settled(&self, what: &str) {
        let wait = async {
            while !self.view.read(|s| {
                s.failures.is_empty()
                    && oi_domain::owed(s).is_empty()
                    && s.clusters.values().all(|c| c.hibernated || c.is_converged())
                    && s.clusters.values().all(|c| c.upgrade.is_none() && c.restore.is_none())
                    && s.clusters.values().all(|c| is_rotated(c))
                    && s.hypervisors.values().all(|h| h.prepared && is_reachable(h))
            }) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(LIMIT, wait).await;
        waited.unwrap_or_else(|_| panic!("{what}: {:?}", self.view.read(|s| s.failures.clone())));
    }

    /// `pod: containers`, of sandboxes of clusters, sorted; all must run.
    fn pods(&self) -> Vec<String> {
        let mut pods = Vec::new();
        for h in [&self.private, &self.public] {
            let containers = h.fake.containers();
            for s in h.fake.sandboxes().iter().filter(|s| s.labels.contains_key(label::CLUSTER_UID))
            {
                let mut names: Vec<String> = containers
                    .iter()
                    .filter(|c| c.pod_sandbox_id == s.id)
                    .inspect(|c| assert_eq!(c.state, CONTAINER_RUNNING, "{c:?}"))
                    .map(|c| c.metadata.as_ref().unwrap().name.clone())
                    .collect();
                names.sort();
                pods.push(format!("{}: {}", s.labels[label::POD], names.join(" ")));
            }
        }
        pods.sort();
        pods
    }
}

fn is_reachable(h: &oi_domain::Hypervisor) -> bool {
    matches!(h.reach, oi_domain::Reach::Reachable(_))
}

/// Whether no step of a rotation is on its way.
fn is_rotated(c: &oi_domain::Cluster) -> bool {
    c.rotation.as_ref().is_none_or(|r| {
        r.stage != RotationStage::Retire && c.staying(|n| r.is_behind(n)).is_empty()
    })
}

fn all_pods() -> Vec<String> {
    vec![
        "control-plane: kube-apiserver kube-controller-manager kube-scheduler".to_owned(),
        "etcd: etcd".to_owned(),
        "haproxy: haproxy".to_owned(),
    ]
}

/// All files below a directory.
fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let (dirs, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.into_iter().chain(dirs.iter().flat_map(|dir| walk(dir))).collect()
}

fn files(dir: &Path) -> usize {
    let clusters = dir.join("clusters");
    let Ok(all) = std::fs::read_dir(clusters) else { return 0 };
    all.count()
}

fn two_of_each() -> Vec<String> {
    all_pods().into_iter().flat_map(|pod| [pod.clone(), pod]).collect()
}

/// Three API servers, one controller manager, one scheduler.
fn scaled_pods() -> Vec<String> {
    let mut pods = two_of_each();
    pods[1] = "control-plane: kube-apiserver".to_owned();
    pods.push(pods[1].clone());
    pods.sort();
    pods
}

/// From nothing to a cluster that grows, is scaled and upgraded, shrinks, sleeps and
/// wakes, to nothing, with one lost call on each hypervisor in each part.
async fn life(loss: Option<(&'static str, When)>) {
    let what = format!("{loss:?} lost");
    // Where nothing is lost, each job is done twice in a row.
    let platform = Platform::start(2, if loss.is_none() { 2 } else { 1 }).await;
    let lose = || {
        if let Some((method, when)) = loss {
            platform.private.fake.fail_once(method, when);
            platform.public.fake.fail_once(method, when);
        }
    };
    lose();
    platform.register_both().await;
    platform.settled(&what).await;
    lose();
    platform.create().await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), all_pods(), "{what}");
    let bound = platform.private.fake.requests();
    let binding = "clusterrolebindings/kubeadm:cluster-admins?";
    assert!(bound.iter().any(|path| path.contains(binding)), "{what}: {bound:?}");
    lose();
    platform.add("cp-2", Role::ControlPlane).await;
    platform.add("lb-2", Role::ControlPlaneIngress).await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), two_of_each(), "{what}");
    lose();
    platform.scale(3, 1).await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), scaled_pods(), "{what}");
    lose();
    platform.scale(2, 2).await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), two_of_each(), "{what}");
    lose();
    platform.upgrade().await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), two_of_each(), "{what}");
    let image = "registry.k8s.io/kube-apiserver:v1.36.4";
    assert_eq!(platform.api_servers(), [image, image], "{what}");
    lose();
    platform.remove("cp-1").await;
    platform.settled(&what).await;
    platform.remove("lb-1").await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), all_pods(), "{what}");
    lose();
    platform.back_up().await;
    platform.settled(&what).await;
    lose();
    platform.restore().await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), all_pods(), "{what}");
    lose();
    platform.hibernate(true).await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), [] as [String; 0], "{what}");
    lose();
    platform.hibernate(false).await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), all_pods(), "{what}");
    lose();
    platform.delete().await;
    platform.settled(&what).await;
    assert_eq!(platform.pods(), [] as [String; 0], "{what}");
    let left = files(platform.private.dir.path()) + files(platform.public.dir.path());
    assert_eq!(left, 0, "{what}");
    assert_eq!(platform.tasks.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn wherever_a_call_is_lost_the_end_is_the_same() {
    let mut lives = JoinSet::new();
    for method in [
        "Version",
        "Status",
        "PullImage",
        "ImageStatus",
        "RunPodSandbox",
        "ListPodSandbox",
        "CreateContainer",
        "StartContainer",
        "ContainerStatus",
        "ListContainers",
        "ExecSync",
        "StopContainer",
        "RemoveContainer",
        "StopPodSandbox",
        "RemovePodSandbox",
    ] {
        for when in [When::Before, When::After] {
            lives.spawn(life(Some((method, when))));
        }
    }
    lives.spawn(life(None));
    while let Some(ended) = lives.join_next().await {
        ended.unwrap();
    }
}

/// A cluster gets other authorities, with one lost call in each step.
async fn rotated(method: &'static str, when: When) {
    let what = format!("{method} {when:?} lost");
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled(&what).await;
    for step in [RotationStep::Start, RotationStep::Switch, RotationStep::Finish] {
        platform.private.fake.fail_once(method, when);
        platform.rotate(step).await;
        platform.settled(&what).await;
        assert_eq!(platform.pods(), all_pods(), "{what}");
    }
    let rotation = platform.view.read(|s| s.clusters.values().next().unwrap().rotation.clone());
    assert!(rotation.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn authorities_are_rotated_wherever_a_call_is_lost() {
    let mut all = JoinSet::new();
    for method in ["CreateContainer", "StartContainer", "ExecSync", "StopContainer"] {
        for when in [When::Before, When::After] {
            all.spawn(rotated(method, when));
        }
    }
    while let Some(ended) = all.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_container_is_started_again_and_reported() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let restarted = || {
        platform.view.read(|s| {
            s.clusters.values().flat_map(|c| c.nodes.values()).map(|n| n.restarts).sum::<u32>()
        })
    };
    let hypervisors = [(&platform.private, "etcd"), (&platform.public, "haproxy")];
    for (count, (hypervisor, name)) in (1..).zip(hypervisors) {
        let all = hypervisor.fake.containers();
        let dead = all.iter().find(|c| c.metadata.as_ref().is_some_and(|m| m.name == name));
        hypervisor.fake.kill_container(&dead.unwrap().id);
        let wait = async {
            while restarted() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap();
        assert_eq!(platform.pods(), all_pods());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_comes_again_restarts_nothing() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    let jobs = platform.view.read(oi_domain::owed);
    platform.settled("creation").await;
    let ids = || {
        let all = [&platform.private, &platform.public];
        let mut ids: Vec<_> = all
            .iter()
            .flat_map(|h| h.fake.containers())
            .map(|c| (c.id, c.pod_sandbox_id))
            .collect();
        ids.sort();
        ids
    };
    let before = ids();
    for job in &jobs {
        platform.journal.job_queue().enqueue(job).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    platform.settled("again").await;
    assert_eq!(ids(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_longer_wanted_is_cut_off() {
    let platform = Platform::with_hypervisors(2).await;
    platform.private.fake.hold_sandboxes(true);
    platform.create().await;
    let starts = || platform.private.fake.calls().get("RunPodSandbox").copied();
    let before = starts();
    let wait = async {
        while starts() == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap();
    // Its jobs hang for as long as the runtime does.
    platform.delete().await;
    platform.settled("deletion").await;
    assert!(platform.view.read(|s| s.clusters.is_empty()));
    platform.private.fake.hold_sandboxes(false);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(platform.pods(), Vec::<String>::new());
    assert_eq!(files(platform.private.dir.path()), 0);
    // The name is free, and so are its ports.
    platform.create().await;
    platform.settled("again").await;
    assert_eq!(platform.pods(), all_pods());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_nobody_is_removed_and_what_is_anothers_is_not() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    platform.settled("creation").await;
    let of_cluster = |labels: &std::collections::HashMap<String, String>| {
        labels.contains_key(label::CLUSTER_UID)
    };
    let all = platform.private.fake.sandboxes();
    let labels = all.into_iter().map(|s| s.labels).find(of_cluster).unwrap();
    platform.delete().await;
    platform.settled("deletion").await;

    // As by a worker that slept meanwhile, and by another installation.
    let pod = |name: &str, uid: &str| {
        let mut identity = labels.clone().into_iter().collect::<std::collections::BTreeMap<_, _>>();
        let generation = identity.remove(label::GENERATION).unwrap().parse().unwrap();
        identity.insert(label::CLUSTER_UID.to_owned(), uid.to_owned());
        PodSpec { name: name.to_owned(), identity, generation, ..PodSpec::default() }
    };
    let endpoint = format!("unix://{}/cri.sock", platform.private.dir.path().display());
    let client = CriClient::new(&Endpoint::parse(&endpoint, None).unwrap()).unwrap();
    let anothers = Uuid::now_v7().to_string();
    for (name, uid) in [("anothers", anothers.as_str()), ("late", &labels[label::CLUSTER_UID])] {
        ensure_sandbox(&client, &pod(name, uid)).await.unwrap();
    }
    let left = || {
        let all = platform.private.fake.sandboxes();
        let names = all.into_iter().filter(|s| of_cluster(&s.labels));
        names.map(|s| s.metadata.unwrap().name).collect::<Vec<_>>()
    };
    let wait = async {
        while left() != ["anothers"] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{:?}", left()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_backup_harms_nothing_and_another_one_is_restored() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    platform.settled("creation").await;
    std::fs::write(platform.database(), "first").unwrap();
    platform.back_up().await;
    platform.settled("the first backup").await;
    let [object] = platform.objects().try_into().unwrap();
    let whole = std::fs::read(&object).unwrap();
    std::fs::write(&object, &whole[..whole.len() - 3]).unwrap();
    std::fs::write(platform.database(), "second").unwrap();
    platform.back_up().await;
    platform.settled("the second backup").await;

    let ids = || platform.private.fake.containers().into_iter().map(|c| c.id).collect::<Vec<_>>();
    let running = ids();
    platform.restore().await;
    platform.settled("the end of the restore").await;
    assert_eq!(platform.pods(), all_pods());
    assert_eq!(ids(), running, "nothing was stopped");
    assert_eq!(std::fs::read_to_string(platform.database()).unwrap(), "second");

    let name: ClusterName = "test".parse().unwrap();
    std::fs::write(platform.database(), "third").unwrap();
    let backup = platform.view.read(|s| *s.clusters[&name].backups.keys().last().unwrap());
    platform.submit(RestoreClusterV1 { name, backup }).await;
    platform.settled("the other backup").await;
    assert_eq!(platform.pods(), all_pods());
    assert_eq!(std::fs::read_to_string(platform.database()).unwrap(), "second");
    let etcd = platform.database().parent().unwrap().parent().unwrap().to_owned();
    for left in ["before", "restores"] {
        assert!(!etcd.join(left).exists(), "{left} is removed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aborted_restore_puts_the_data_from_before_back() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    platform.settled("creation").await;
    platform.add("cp-2", Role::ControlPlane).await;
    platform.settled("a second member").await;
    let write = |content: &str| {
        ["cp-1", "cp-2"].map(|n| std::fs::write(platform.database_of(n), content).unwrap())
    };
    write("unusable");
    platform.back_up().await;
    platform.settled("the backup").await;
    write("good");
    platform.restore().await;
    platform.failure(".etcd").await;
    assert_eq!(std::fs::read_to_string(platform.database()).unwrap(), "unusable");
    assert!(!platform.database_of("cp-2").exists(), "it is to join anew");
    platform.submit(AbortRestoreV1 { name: "test".parse().unwrap() }).await;
    platform.settled("the abort").await;
    assert_eq!(platform.databases(), ["good", "good"]);
    assert_eq!(platform.pods().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_member_takes_the_data_and_the_others_join_it() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    platform.settled("creation").await;
    platform.add("cp-2", Role::ControlPlane).await;
    platform.settled("a second member").await;
    std::fs::write(platform.database(), "first").unwrap();
    platform.back_up().await;
    platform.settled("the backup").await;
    for n in ["cp-1", "cp-2"] {
        std::fs::write(platform.database_of(n), "second").unwrap();
    }
    platform.restore().await;
    platform.settled("the restore").await;
    assert_eq!(platform.databases(), ["first", "new"]);
    assert_eq!(platform.pods().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_snapshot_is_no_backup() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    platform.settled("creation").await;
    platform.private.fake.cut_snapshot();
    platform.back_up().await;
    let message = platform.failure(".backup").await;
    assert!(message.contains("is not whole"), "{message}");
    assert_eq!(platform.objects().len(), 0, "nothing of it stays");
    platform.settled("another attempt").await;
    assert_eq!(platform.objects().len(), 1);
    platform.restore().await;
    platform.settled("the restore").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_others_have_made_becomes_a_cluster() {
    let platform = Platform::with_hypervisors(2).await;
    platform.create().await;
    platform.settled("creation").await;
    std::fs::write(platform.database(), "of others").unwrap();
    let spec = platform.view.read(|s| s.clusters.values().next().unwrap().spec.clone());
    platform.delete().await;
    platform.settled("deletion").await;

    let dir = platform._dir.path().join("backups/imports/test");
    std::fs::create_dir_all(&dir).unwrap();
    let sum = hex::decode(Hash::plain(b"of others").to_string()).unwrap();
    std::fs::write(dir.join("etcd.db"), [b"of others".as_slice(), &sum].concat()).unwrap();
    let (name, file) = ("test".parse().unwrap(), "etcd.db".to_owned());
    platform.submit(ImportClusterV1 { name, spec, file, sha256: Hash::ZERO }).await;
    platform.add("cp-1", Role::ControlPlane).await;
    platform.add("lb-1", Role::ControlPlaneIngress).await;
    platform.settled("the import").await;
    assert_eq!(platform.pods(), all_pods());
    assert_eq!(std::fs::read_to_string(platform.database()).unwrap(), "of others");
}

/// Waits until something holds.
async fn eventually(what: &str, limit: Duration, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(limit, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

/// The containers of a name that run.
fn running(fake: &FakeCri, name: &str) -> Vec<String> {
    let all = fake.containers().into_iter().filter(|c| c.state == CONTAINER_RUNNING);
    let named = all.filter(|c| c.metadata.as_ref().is_some_and(|m| m.name == name));
    named.map(|c| c.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_control_plane_that_does_not_become_ready_holds_up_no_other() {
    const CLUSTERS: usize = 12;
    let platform = Platform::with_hypervisors(1).await;
    for n in 0..CLUSTERS {
        platform.create_named(&format!("c{n}")).await;
    }
    platform.settled("creation").await;
    let fake = &platform.private.fake;
    let running = |name: &str| running(fake, name).len();
    // As after a power cut, with too few members of each cluster back.
    fake.hold_readiness(true);
    for container in fake.containers().iter().filter(|c| c.labels.contains_key(label::CLUSTER_UID))
    {
        fake.kill_container(&container.id);
    }
    let soon = Duration::from_secs(30);
    eventually("members do not start", soon, || running("etcd") == CLUSTERS).await;
    eventually("API servers do not start", soon, || running("kube-apiserver") == CLUSTERS).await;
    assert_eq!(running("kube-scheduler"), 0);
    // What dies meanwhile starts again, too.
    fake.kill_container(&self::running(fake, "etcd")[0]);
    eventually("a member does not start again", soon, || running("etcd") == CLUSTERS).await;
    fake.hold_readiness(false);
    eventually("the rest does not start", soon, || {
        running("kube-controller-manager") == CLUSTERS && running("kube-scheduler") == CLUSTERS
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_dies_beside_a_job_that_waits_starts_again() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let fake = &platform.private.fake;
    fake.hold_readiness(true);
    platform.upgrade().await;
    let new = || platform.api_servers().iter().any(|image| image.ends_with("v1.36.4"));
    eventually("the API server is not replaced", LIMIT, new).await;
    fake.kill_container(&running(fake, "etcd")[0]);
    let again = || running(fake, "etcd").len() == 1;
    eventually("the member does not start again", LIMIT / 2, again).await;
    fake.hold_readiness(false);
    platform.settled("upgrade").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_to_images_that_are_not_there_replaces_nothing() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let ids = || {
        let all = platform.private.fake.containers().into_iter();
        all.map(|c| c.id).collect::<std::collections::BTreeSet<_>>()
    };
    let before = ids();
    platform.private.fake.lack_images("v1.36.99");
    platform.upgrade_to("v1.36.99").await;
    platform.settled("the end of the upgrade").await;
    assert_eq!(ids(), before);
    platform.upgrade().await;
    platform.settled("another upgrade").await;
    assert_eq!(platform.api_servers(), ["registry.k8s.io/kube-apiserver:v1.36.4"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stop_that_was_taken_back_ends_starts_again_at_once() {
    let platform = Platform::with_hypervisors(1).await;
    let fake = &platform.private.fake;
    fake.hold_readiness(true);
    platform.create().await;
    let runs = || running(fake, "kube-apiserver").len() == 1;
    eventually("the API server does not start", LIMIT, runs).await;
    // It was told to end before the job began to wait for it.
    fake.kill_container(&running(fake, "kube-apiserver")[0]);
    eventually("it does not start again", Duration::from_secs(20), runs).await;
    fake.hold_readiness(false);
    platform.settled("creation").await;
    assert_eq!(platform.pods(), all_pods());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_lost_end_of_a_log_had_started_stops_once_the_log_has_come_so_far() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let later = (platform.view.position() + 4).to_string();
    platform.private.fake.relabel_sandboxes(label::CLUSTER_UID, label::GENERATION, &later);
    platform.hibernate(true).await;
    platform.settled("sleep").await;
    assert_eq!(platform.pods(), [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_and_belongs_to_nobody_is_told_and_what_is_left_of_a_cluster_is_removed() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let uid = platform.view.read(|s| s.clusters.values().next().unwrap().uid.to_string());
    platform.delete().await;
    platform.settled("deletion").await;
    platform.create().await;
    platform.settled("the next creation").await;
    let busy = platform.view.read(|s| s.clusters.values().next().unwrap().uid.to_string());
    platform.delete().await;
    platform.settled("the next deletion").await;
    let anothers = Uuid::now_v7().to_string();
    let left = platform.private.dir.path().join("clusters").join(uid);
    for uid in [left.file_name().unwrap().to_str().unwrap(), &busy, &anothers] {
        std::fs::create_dir_all(left.with_file_name(uid).join("cp-1")).unwrap();
    }
    platform.private.fake.refuse_removals(&busy);
    platform.private.fake.listen(30_007);
    platform.private.fake.listen(80);
    let told = || {
        let all = platform.view.read(|s| s.hypervisors.clone());
        let (_, private) = all.iter().find(|(name, _)| name.as_str() == "hv-private").unwrap();
        let strays = private.strays.clone();
        let stay = [&busy, &anothers].map(|uid| format!("{uid}/cp-1"));
        strays.directories == stay && strays.ports == [30_007]
    };
    eventually("strays are not told", Duration::from_secs(60), told).await;
    assert!(!left.exists());
    assert!(left.with_file_name(&anothers).exists());
}

impl Platform {
    /// How often administrators of clusters were given their rights.
    fn bindings(&self) -> usize {
        let all = self.private.fake.requests().into_iter();
        all.filter(|path| path.contains("clusterrolebindings/kubeadm:cluster-admins")).count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_are_bound_once_and_a_binding_that_is_deleted_stays_so() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    assert_eq!(platform.bindings(), 1);
    platform.upgrade().await;
    platform.settled("upgrade").await;
    platform.add("cp-2", Role::ControlPlane).await;
    platform.settled("another node").await;
    assert_eq!(platform.bindings(), 1, "no job of a cluster that was ready binds them again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_of_a_cluster_of_a_release_before_are_bound_once() {
    let mut platform = Platform::of_level(3).await;
    platform.create().await;
    platform.settled("creation").await;
    // The release that made it did not bind them.
    platform.private.fake.forget_objects();
    let before = platform.bindings();
    let asked = |p: &Platform| {
        let all = p.private.fake.requests().into_iter();
        all.filter(|path| path.ends_with("/configmaps/oi-administrators")).count()
    };
    for n in 1..=2 {
        let seen = asked(&platform);
        platform.start_worker(n, 1);
        eventually("a new worker does not look", LIMIT, || asked(&platform) > seen).await;
        eventually("they are not bound", LIMIT, || platform.bindings() > before).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(platform.bindings(), before + 1, "a worker that starts does not do it again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clone_becomes_ready_though_a_webhook_of_the_backup_refuses_everything() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    platform.back_up().await;
    platform.settled("backup").await;
    platform.private.fake.refuse_requests("clusterrolebindings");
    let source: ClusterName = "test".parse().unwrap();
    let backup = platform.view.read(|s| *s.clusters[&source].backups.keys().next().unwrap());
    let name: ClusterName = "copy".parse().unwrap();
    platform.submit(CloneClusterV1 { name: name.clone(), source, backup }).await;
    platform.add_to("copy", "cp-1", Role::ControlPlane).await;
    platform.add_to("copy", "lb-1", Role::ControlPlaneIngress).await;
    platform.settled("clone").await;
    platform.view.read(|s| assert!(s.clusters[&name].answers()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_of_a_node_outlives_it_until_its_cluster_is_deleted() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.add("cp-2", Role::ControlPlane).await;
    platform.settled("creation").await;
    let uid = platform.view.read(|s| s.clusters.values().next().unwrap().uid.to_string());
    let of = |h: &Hypervisor, n: &str| h.dir.path().join("clusters").join(&uid).join(n);
    let both = [&platform.private, &platform.public];
    let dir = both.map(|h| of(h, "cp-2")).into_iter().find(|dir| dir.exists()).unwrap();
    std::fs::write(dir.join("audit/audit.log"), "who did what").unwrap();
    platform.remove("cp-2").await;
    platform.settled("removal").await;
    assert!(!dir.exists());
    let kept = || {
        let all = both.map(|h| h.dir.path().join("audit").join(&uid));
        let there = all.iter().filter_map(|dir| match std::fs::read_dir(dir) {
            Ok(entries) => Some(entries.map(|e| e.unwrap().path()).collect::<Vec<_>>()),
            Err(_) => None,
        });
        there.flatten().map(|dir| std::fs::read_to_string(dir.join("audit.log")).unwrap()).collect()
    };
    let logs: Vec<String> = kept();
    assert_eq!(logs, ["who did what"]);
    platform.delete().await;
    platform.settled("deletion").await;
    assert!(kept().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fills_the_disk_of_a_hypervisor_and_nobody_needs_goes() {
    let platform = Platform::tidying(2, 1, Duration::from_millis(200)).await;
    platform.register_both().await;
    platform.create().await;
    platform.settled("creation").await;
    let (fake, dir) = (&platform.private.fake, platform.private.dir.path());
    let api = |tag: &str| format!("registry.k8s.io/kube-apiserver:{tag}");
    let stay = [api("v1.35.2"), api("v1.36.3"), api("v1.36.9"), "example.org/app:1".to_owned()];
    fake.add_image(&api("v1.35.1"));
    stay.iter().for_each(|name| fake.add_image(name));
    let day = Duration::from_secs(24 * 3600);
    let put = |path: std::path::PathBuf, days: u32| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = std::fs::File::create(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - days * day).unwrap();
        path
    };
    let data = platform.database().parent().unwrap().to_owned();
    let log = |node: &str| {
        dir.join("audit").join(Uuid::now_v7().to_string()).join(node).join("audit.log")
    };
    let old = [
        put(data.join("oi-1.snapshot"), 2),
        put(data.join("oi-2.snapshot.part"), 2),
        put(log("cp-1"), 31),
    ];
    let new = [
        put(data.join("oi-3.snapshot"), 0),
        put(log("cp-2"), 29),
        put(data.join("member/x.snapshot"), 2),
    ];
    let endpoint = Endpoint::parse(&format!("unix://{}/cri.sock", dir.display()), None).unwrap();
    let settings = HelperSettings {
        hypervisor: "hv-private".to_owned(),
        image: "oi-helper:older".to_owned(),
        data_dir: dir.display().to_string(),
    };
    Helper::ensure(&CriClient::new(&endpoint).unwrap(), &settings).await.unwrap();
    let helpers = || {
        let all = fake.sandboxes().into_iter();
        all.filter(|s| s.labels.contains_key(label::HELPER)).map(|s| s.id).collect::<Vec<_>>()
    };
    let [own, older] = helpers().try_into().unwrap();
    fake.age_sandbox(&own, 2);
    fake.age_sandbox(&older, 1);
    let images = || fake.images().contains(&api("v1.35.1"));
    let gone = || !images() && helpers() == [own.clone()] && !old.iter().any(|path| path.exists());
    eventually("something stays", Duration::from_secs(30), gone).await;
    // The look after that finds nothing more.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(stay.iter().all(|name| fake.images().contains(name)), "{:?}", fake.images());
    assert!(new.iter().all(|path| path.exists()));
    assert_eq!(platform.pods(), all_pods());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_cut_off_starts_nothing_of_a_cluster_that_sleeps() {
    let mut platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    platform.add_cut_off_worker().await;
    platform.hibernate(true).await;
    platform.settled("sleep").await;
    // It misses them within a look, and tries again and again.
    for _ in 0..100 {
        for name in ["etcd", "kube-apiserver"] {
            assert!(running(&platform.private.fake, name).is_empty(), "{name} runs");
        }
        assert!(running(&platform.public.fake, "haproxy").is_empty(), "haproxy runs");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eventually("a sandbox stays", LIMIT, || platform.pods().is_empty()).await;
    platform.hibernate(false).await;
    platform.settled("the awakening").await;
    assert_eq!(platform.pods(), all_pods());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_cut_off_keeps_no_member_on_the_data_from_before_a_restore() {
    let mut platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let other = hypervisor();
    platform.register("hv-other", &other, false).await;
    platform.settled("registration").await;
    platform.scale(2, 1).await;
    platform.settled("another API server").await;
    assert_eq!(running(&other.fake, "kube-apiserver").len(), 1, "it is placed elsewhere");
    std::fs::write(platform.database(), "first").unwrap();
    platform.back_up().await;
    platform.settled("the backup").await;
    std::fs::write(platform.database(), "second").unwrap();
    platform.add_cut_off_worker().await;
    // The other node stops late: the first one's data is not replaced before.
    other.fake.hold_stops(true);
    platform.restore().await;
    let stopped = || running(&platform.private.fake, "etcd").is_empty();
    eventually("the first one does not stop", LIMIT, stopped).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    other.fake.hold_stops(false);
    platform.settled("the restore").await;
    let data = platform.database().parent().unwrap().to_owned();
    assert_eq!(std::fs::read_to_string(data.join("database")).unwrap(), "first");
    // A member takes this away when it starts.
    assert!(!data.join("new-membership").exists(), "etcd did not start on this data");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_has_left_refuses_late_changes_until_its_cluster_is_deleted() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    let other = hypervisor();
    platform.register("hv-other", &other, false).await;
    platform.settled("registration").await;
    platform.add("cp-2", Role::ControlPlane).await;
    platform.settled("a second member").await;
    let dir = platform.node_dir(&other, "cp-2");
    assert!(dir.exists(), "it is placed elsewhere");
    let generation = platform.view.position();
    platform.remove("cp-2").await;
    platform.settled("removal").await;
    assert!(!dir.exists());
    // As by a worker that slept meanwhile.
    let path = dir.display().to_string();
    let late = [
        FileOp::Fence { path: path.clone(), generation },
        FileOp::Write { path: format!("{path}/late"), mode: 0o600, content: Vec::new() },
    ];
    let refused = platform.helper("hv-other", &other).await.put(&late).await.unwrap_err();
    assert!(refused.to_string().contains("must not change it"), "{refused}");
    assert!(!dir.exists());
    platform.delete().await;
    platform.settled("deletion").await;
    assert_eq!(files(other.dir.path()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_came_back_under_its_name_is_not_removed_for_the_one_before() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.add("cp-2", Role::ControlPlane).await;
    platform.settled("creation").await;
    let fake = &platform.private.fake;
    assert_eq!(fake.members(), ["cp-1", "cp-2"]);
    let before = fake.member_lists();
    platform.remove("cp-2").await;
    eventually("it is not looked up", LIMIT, || fake.member_lists() > before).await;
    // Another worker was faster, while requests in progress end.
    assert!(fake.renew_member("cp-2"));
    platform.settled("removal").await;
    assert_eq!(fake.members(), ["cp-1", "cp-2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_restore_that_was_aborted_early_goes_on() {
    let platform = Platform::with_hypervisors(1).await;
    platform.create().await;
    platform.settled("creation").await;
    platform.back_up().await;
    platform.settled("the backup").await;
    let fake = &platform.private.fake;
    fake.hold_restores(true);
    platform.restore().await;
    eventually("nothing is unpacked", LIMIT, || running(fake, "restore").len() == 1).await;
    platform.submit(AbortRestoreV1 { name: "test".parse().unwrap() }).await;
    platform.settled("the abort").await;
    assert_eq!(platform.pods(), all_pods());
    let restores = platform.database().parent().unwrap().with_file_name("restores");
    assert!(!restores.exists());
}
