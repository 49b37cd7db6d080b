//! A broker, a decider, workers and two hypervisors, as tests of jobs ask them.

use oi_backup_store::Store;
use oi_cri::fake::{FakeCri, Serving};
use oi_cri::{CONTAINER_RUNNING, CriClient, Endpoint, Helper, HelperSettings, label};
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

pub const LIMIT: Duration = Duration::from_secs(60);
/// Not within a test.
pub const SELDOM: Duration = Duration::from_secs(3600);

pub struct Hypervisor {
    pub fake: FakeCri,
    pub dir: TempDir,
    _serving: Serving,
}

pub fn hypervisor() -> Hypervisor {
    let dir = tempfile::tempdir().unwrap();
    let fake = FakeCri::new(dir.path());
    let serving = fake.serve(&dir.path().join("cri.sock")).unwrap();
    Hypervisor { fake, dir, _serving: serving }
}

/// A platform with one private and one public hypervisor.
pub struct Platform {
    pub journal: Journal,
    pub view: View,
    pub private: Hypervisor,
    pub public: Hypervisor,
    pub tasks: JoinSet<()>,
    pub keys: Keys,
    pub store: Store,
    pub metrics: Arc<oi_worker::Metrics>,
    pub tidy_every: Duration,
    pub _dir: TempDir,
    _broker: Broker,
}

impl Platform {
    pub async fn start(workers: usize, times: usize) -> Platform {
        Platform::tidying(workers, times, SELDOM).await
    }

    pub async fn tidying(workers: usize, times: usize, tidy_every: Duration) -> Platform {
        let broker = Broker::start();
        let journal = broker.journal().await;
        Platform::on(broker, journal, workers, times, tidy_every).await
    }

    /// On the log of a release before.
    pub async fn of_level(level: u16) -> Platform {
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

    pub async fn on(
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

    pub fn start_worker(&mut self, n: usize, times: usize) {
        let settings = WorkerSettings {
            name: format!("w{n}"),
            helper_image: "oi-helper".to_owned(),
            concurrency: 8,
            addons_every: Duration::from_secs(60),
            tidy_every: self.tidy_every,
            times,
            backups: Some(self.store.clone()),
        };
        self.run_worker(settings, self.view.clone(), self.metrics.clone());
    }

    fn run_worker(&mut self, of: WorkerSettings, view: View, metrics: Arc<oi_worker::Metrics>) {
        let handles = WorkerHandles {
            log: self.journal.log(),
            jobs: self.journal.job_inbox(),
            commands: self.journal.command_outbox(),
            keyring: self.keys.keyring(),
            key_shredder: self.keys.shredder(),
        };
        let worker = Worker::new(handles, view, of, metrics);
        self.tasks.spawn(async move { worker.run(CancellationToken::new()).await });
    }

    /// A worker that takes no jobs, and knows nothing of what is decided from now on: as if it
    /// were cut off from the broker, or slept until it is not waited for any more.
    pub async fn add_cut_off_worker(&mut self) {
        let view = View::load(&self.journal.log(), &self.journal.snapshots()).await.unwrap();
        let settings = WorkerSettings {
            name: "cut-off".to_owned(),
            helper_image: "oi-helper".to_owned(),
            concurrency: 0,
            addons_every: SELDOM,
            tidy_every: SELDOM,
            times: 1,
            backups: None,
        };
        let metrics = oi_worker::Metrics::new(&prometheus::Registry::new()).unwrap();
        self.run_worker(settings, view, Arc::new(metrics));
    }

    /// The helper of a hypervisor, as another worker asks it.
    pub async fn helper(&self, name: &str, h: &Hypervisor) -> Helper {
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
    pub fn node_dir(&self, h: &Hypervisor, node: &str) -> std::path::PathBuf {
        let uid = self.view.read(|s| s.clusters.values().next().unwrap().uid);
        h.dir.path().join(format!("clusters/{uid}/{node}"))
    }

    pub async fn with_hypervisors(workers: usize) -> Platform {
        let platform = Platform::start(workers, 1).await;
        platform.register_both().await;
        platform.settled("registration").await;
        platform
    }

    pub async fn register_both(&self) {
        self.register("hv-private", &self.private, false).await;
        self.register("hv-public", &self.public, true).await;
    }

    pub async fn register(&self, name: &str, h: &Hypervisor, public: bool) {
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

    pub async fn submit(&self, command: impl Into<Command>) {
        let id = CommandId(Uuid::now_v7());
        let envelope = CommandEnvelope::new(id, "tests", 1_800_000_000_000, command);
        match self.journal.command_client().request(&envelope, LIMIT).await.unwrap() {
            Outcome::Rejected { message, .. } => panic!("{message}"),
            Outcome::Committed { position } | Outcome::Unchanged { position } => {
                self.view.wait_for(position).await.unwrap();
            }
        }
    }

    pub async fn create(&self) {
        self.create_named("test").await;
    }

    pub async fn create_named(&self, name: &str) {
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

    pub async fn add(&self, name: &str, role: Role) {
        self.add_to("test", name, role).await;
    }

    pub async fn add_to(&self, cluster: &str, name: &str, role: Role) {
        let (cluster, name) = (cluster.parse().unwrap(), name.parse().unwrap());
        self.submit(AddNodeV1 { cluster, name, role, hypervisor: None }).await;
    }

    pub async fn remove(&self, name: &str) {
        let (cluster, name) = ("test".parse().unwrap(), name.parse().unwrap());
        self.submit(RemoveNodeV1 { cluster, name }).await;
    }

    pub async fn hibernate(&self, hibernated: bool) {
        self.submit(HibernateClusterV1 { name: "test".parse().unwrap(), hibernated }).await;
    }

    pub async fn scale(&self, api_servers: u32, others: u32) {
        self.submit(ScaleClusterV1 {
            name: "test".parse().unwrap(),
            api_servers: Some(api_servers),
            controller_managers: Some(others),
            schedulers: Some(others),
        })
        .await;
    }

    pub async fn back_up(&self) {
        self.submit(BackupClusterV1 { name: "test".parse().unwrap() }).await;
    }

    pub async fn restore(&self) {
        let name: ClusterName = "test".parse().unwrap();
        let backup = self.view.read(|s| *s.clusters[&name].backups.keys().next().unwrap());
        self.submit(RestoreClusterV1 { name, backup }).await;
    }

    /// The file of the data of `cp-1`.
    pub fn database(&self) -> std::path::PathBuf {
        self.database_of("cp-1")
    }

    pub fn database_of(&self, node: &str) -> std::path::PathBuf {
        let uid = self.view.read(|s| s.clusters.values().next().unwrap().uid);
        self.private.dir.path().join(format!("clusters/{uid}/{node}/etcd/data/database"))
    }

    /// What the members of `cp-1` and `cp-2` hold.
    pub fn databases(&self) -> [String; 2] {
        ["cp-1", "cp-2"].map(|n| std::fs::read_to_string(self.database_of(n)).unwrap())
    }

    /// The files of backups.
    pub fn objects(&self) -> Vec<std::path::PathBuf> {
        walk(&self._dir.path().join("backups"))
    }

    /// Waits until a job has failed, and says why.
    pub async fn failure(&self, step: &str) -> String {
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

    pub async fn rotate(&self, step: RotationStep) {
        self.submit(RotateCaV1 { name: "test".parse().unwrap(), step }).await;
    }

    pub async fn upgrade(&self) {
        self.upgrade_to("v1.36.4").await;
    }

    pub async fn upgrade_to(&self, to: &str) {
        let (name, to) = ("test".parse().unwrap(), to.parse().unwrap());
        self.submit(UpgradeClusterV1 { name, to }).await;
    }

    /// The image of each kube-apiserver.
    pub fn api_servers(&self) -> Vec<String> {
        let all = self.private.fake.containers();
        let images = all.into_iter().map(|c| c.image.unwrap().image);
        images.filter(|image| image.contains("kube-apiserver")).collect()
    }

    pub async fn delete(&self) {
        self.submit(DeleteClusterV2 { name: "test".parse().unwrap(), forget_orphans: false }).await;
    }

    /// Waits until nothing is owed, nor will be after a pause.
    pub async fn settled(&self, what: &str) {
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
    pub fn pods(&self) -> Vec<String> {
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

pub fn is_reachable(h: &oi_domain::Hypervisor) -> bool {
    matches!(h.reach, oi_domain::Reach::Reachable(_))
}

/// Whether no step of a rotation is on its way.
pub fn is_rotated(c: &oi_domain::Cluster) -> bool {
    c.rotation.as_ref().is_none_or(|r| {
        r.stage != RotationStage::Retire && c.staying(|n| r.is_behind(n)).is_empty()
    })
}

pub fn all_pods() -> Vec<String> {
    vec![
        "control-plane: kube-apiserver kube-controller-manager kube-scheduler".to_owned(),
        "etcd: etcd".to_owned(),
        "haproxy: haproxy".to_owned(),
    ]
}

/// All files below a directory.
pub fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let (dirs, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.into_iter().chain(dirs.iter().flat_map(|dir| walk(dir))).collect()
}

pub fn files(dir: &Path) -> usize {
    let clusters = dir.join("clusters");
    let Ok(all) = std::fs::read_dir(clusters) else { return 0 };
    all.count()
}

pub fn two_of_each() -> Vec<String> {
    all_pods().into_iter().flat_map(|pod| [pod.clone(), pod]).collect()
}

/// Three API servers, one controller manager, one scheduler.
pub fn scaled_pods() -> Vec<String> {
    let mut pods = two_of_each();
    pods[1] = "control-plane: kube-apiserver".to_owned();
    pods.push(pods[1].clone());
    pods.sort();
    pods
}

/// Waits until something holds.
pub async fn eventually(what: &str, limit: Duration, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(limit, wait).await.unwrap_or_else(|_| panic!("{what}"));
}

/// The containers of a name that run.
pub fn running(fake: &FakeCri, name: &str) -> Vec<String> {
    let all = fake.containers().into_iter().filter(|c| c.state == CONTAINER_RUNNING);
    let named = all.filter(|c| c.metadata.as_ref().is_some_and(|m| m.name == name));
    named.map(|c| c.id).collect()
}
