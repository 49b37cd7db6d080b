//! Many clusters at once over the in-memory CRI: how fast they come, what the platform
//! takes when nothing happens, and how long it needs to rebuild all from the log.

use crate::Result;
use futures::{StreamExt, stream};
use oi_cri::fake::{FakeCri, Serving};
use oi_decider::{Decider, DeciderHandles, DeciderSettings};
use oi_events::*;
use oi_journal::{Journal, JournalConfig};
use oi_keyring::Keys;
use oi_pki::KeyEncryptionKey;
use oi_view::View;
use oi_worker::{Worker, WorkerHandles, WorkerSettings};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PRIVATE: usize = 40;
const PUBLIC: usize = 10;
/// Commands that wait for their decision at a time.
const IN_FLIGHT: usize = 8;
const IDLE: Duration = Duration::from_secs(30);
const LIMIT: Duration = Duration::from_secs(600);

/// A decider and a worker in this process.
pub struct Platform {
    pub journal: Journal,
    view: View,
    tasks: JoinSet<()>,
    hypervisors: Vec<(FakeCri, Serving)>,
}

impl Platform {
    pub async fn start(url: &str, dir: &Path) -> Result<Platform> {
        let journal = Journal::connect(JournalConfig::new(url, "bench")).await?;
        journal.ensure_streams().await?;
        let key = KeyEncryptionKey::load_or_create(&dir.join("kek"))?;
        let keys = Keys::new(journal.key_store(), Arc::new(key));
        let view = View::load(&journal.log(), &journal.snapshots()).await?;
        let registry = prometheus::Registry::new();
        let mut tasks = JoinSet::new();
        let metrics = Arc::new(oi_decider::Metrics::new(&registry)?);
        let settings = DeciderSettings::new("bench");
        let handles = DeciderHandles {
            broker_clock: journal.broker_clock(),
            appender: journal.appender(),
            commands: journal.command_inbox(),
            jobs: journal.job_queue(),
            keyring: keys.keyring(),
            key_maker: keys.maker(),
        };
        let decider = Decider::new(handles, view.clone(), metrics, settings);
        tasks.spawn(async move { decider.run(CancellationToken::new()).await });
        let settings = WorkerSettings {
            name: "bench".to_owned(),
            helper_image: "oi-helper".to_owned(),
            concurrency: 32,
            addons_every: Duration::from_secs(60),
            tidy_every: Duration::from_secs(3600),
            backups: None,
            times: 1,
        };
        let metrics = Arc::new(oi_worker::Metrics::new(&registry)?);
        let handles = WorkerHandles {
            log: journal.log(),
            jobs: journal.job_inbox(),
            commands: journal.command_outbox(),
            keyring: keys.keyring(),
            key_shredder: keys.shredder(),
        };
        let worker = Worker::new(handles, view.clone(), settings, metrics);
        tasks.spawn(async move { worker.run(CancellationToken::new()).await });
        let (follow, log) = (view.clone(), journal.log());
        tasks.spawn(async move { drop(follow.keep(&log, None).await) });
        Ok(Platform { journal, view, tasks, hypervisors: Vec::new() })
    }

    async fn submit(&self, command: impl Into<Command>) -> Result<()> {
        let envelope =
            CommandEnvelope::new(CommandId(Uuid::now_v7()), "bench", oi_clock::now_ms(), command);
        match self.journal.command_client().request(&envelope, LIMIT).await? {
            Outcome::Rejected { message, .. } => Err(message.into()),
            Outcome::Committed { .. } | Outcome::Unchanged { .. } => Ok(()),
        }
    }

    async fn register(&mut self, n: usize, dir: &Path) -> Result<()> {
        let public = n >= PRIVATE;
        let name = format!("hv-{n}");
        let dir = dir.join(&name);
        std::fs::create_dir_all(&dir)?;
        let fake = FakeCri::new(&dir);
        let serving = fake.serve(&dir.join("cri.sock"))?;
        self.hypervisors.push((fake, serving));
        self.submit(RegisterHypervisorV1 {
            name: name.parse()?,
            cri_endpoint: format!("unix://{}/cri.sock", dir.display()),
            tls: None,
            public,
            address: format!("192.0.2.{}", n + 1).parse()?,
            port_low: 10_000,
            port_high: 60_000,
            data_dir: dir.display().to_string(),
            max_nodes: None,
        })
        .await
    }

    async fn create(&self, n: usize) -> Result<()> {
        let cluster: ClusterName = format!("c-{n}").parse()?;
        self.submit(CreateClusterV1 {
            name: cluster.clone(),
            spec: oi_events::ClusterSpec {
                kubernetes_version: "v1.36.3".parse()?,
                pod_cidr: "10.244.0.0/16".to_owned(),
                service_cidr: "10.96.0.0/12".to_owned(),
                dns_domain: "cluster.local".to_owned(),
                extra_sans: Vec::new(),
            },
        })
        .await?;
        for (name, role) in [("cp-1", Role::ControlPlane), ("lb-1", Role::ControlPlaneIngress)] {
            let (cluster, name) = (cluster.clone(), name.parse()?);
            self.submit(AddNodeV1 { cluster, name, role, hypervisor: None }).await?;
        }
        Ok(())
    }

    fn ready(&self) -> usize {
        self.view.read(|s| s.clusters.values().filter(|c| c.is_converged()).count())
    }
}

/// Resident memory of this process in MiB, and its processor time in seconds.
fn own() -> Result<(f64, f64)> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: f64 = resident.trim().trim_end_matches(" kB").parse()?;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks: f64 = fields[12].parse::<f64>()? + fields[13].parse::<f64>()?;
    Ok((kib / 1024.0, ticks / 100.0))
}

/// `clusters` of them; files and sockets go below `dir`.
pub async fn run(clusters: &str, url: &str, dir: &str) -> Result<()> {
    let (clusters, dir): (usize, &Path) = (clusters.parse()?, Path::new(dir));
    let mut platform = Platform::start(url, dir).await?;
    for n in 0..PRIVATE + PUBLIC {
        platform.register(n, dir).await?;
    }
    while !platform.view.read(|s| s.hypervisors.values().all(|h| h.prepared)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let start = Instant::now();
    let creations = stream::iter(0..clusters).map(|n| platform.create(n));
    let mut creations = creations.buffer_unordered(IN_FLIGHT);
    let mut asked = 0;
    while let Some(created) = creations.next().await {
        created?;
        asked += 1;
        if asked % 1000 == 0 {
            let (ready, took) = (platform.ready(), start.elapsed().as_secs_f64());
            eprintln!("{asked} asked for, {ready} ready after {took:.0} s");
        }
    }
    drop(creations);
    while platform.ready() < clusters {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let took = start.elapsed().as_secs_f64();
    println!("{clusters} clusters ready in {took:.1} s: {:.1} a second", clusters as f64 / took);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (resident, before) = own()?;
    tokio::time::sleep(IDLE).await;
    let (_, after) = own()?;
    println!(
        "idle: {:.1} % of one processor, {resident:.0} MiB resident (the fake runtimes included)",
        (after - before) / IDLE.as_secs_f64() * 100.0
    );
    platform.tasks.shutdown().await;
    let start = Instant::now();
    let end = platform.journal.log().last_position().await?;
    let mut log = platform.journal.log().replay(1, end).await?;
    let mut state = oi_domain::State::default();
    while let Some(recorded) = log.next().await? {
        oi_domain::apply(&mut state, &recorded);
    }
    let took = start.elapsed().as_secs_f64();
    println!("rebuilt from {end} commits in {took:.1} s: {:.0} a second", end as f64 / took);
    if state.clusters.len() == clusters { Ok(()) } else { Err("the replay differs".into()) }
}
