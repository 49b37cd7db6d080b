//! Putting the roles together.

use crate::VERSION;
use crate::config::{Config, Role};
use crate::key::{self, KeyError};
use crate::metrics::{self, Endpoints};
use oi_backup_store::{Store, StoreError};
use oi_clock::Pulse;
use oi_console::{History, PageError, Visitors};
use oi_decider::{Clock, Decider, DeciderHandles, DeciderSettings, Limits};
use oi_gateway::{Connection, Gateway, GatewayError, GatewayHandles, Protocol, Tls, TlsError};
use oi_journal::{ConnectError, Journal, SetupError};
use oi_keyring::{Clusters, KeyringError, Keys};
use oi_pki::KeyEncryptionKey;
use oi_view::{KnownError, KnownLog, View, ViewError};
use oi_worker::{Worker, WorkerHandles, WorkerSettings};
use prometheus::Registry;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How often keys of clusters that are gone are looked for.
const FORGET: Duration = Duration::from_secs(10);
/// How often what is known of the log is stored.
const REMEMBER: Duration = Duration::from_secs(10);
/// How long roles may take to finish what they have in hand.
const GRACE: Duration = Duration::from_secs(5);
/// The pause between two looks for what fills the disks of hypervisors.
const TIDY_EVERY: Duration = Duration::from_secs(3600);

/// Why the server ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The key-encryption key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It cannot be compared with the log's, or is another one.
    #[error(transparent)]
    Wrapper(#[from] KeyringError),
    /// The backup store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The broker.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The streams.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The view.
    #[error(transparent)]
    View(#[from] ViewError),
    /// What is known of the log.
    #[error(transparent)]
    Known(#[from] KnownError),
    /// The API.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The API's TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The page.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The metrics.
    #[error("cannot serve metrics on {address}")]
    Metrics {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A metric's name is taken.
    #[error("metrics cannot be registered")]
    Registry(#[from] prometheus::Error),
    /// A part has a defect.
    #[error("a part of the server ended without a word")]
    Part(#[from] tokio::task::JoinError),
    /// Signals cannot be heard.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

impl RunError {
    /// Whether the broker has another log than the one that is known: no restart helps.
    pub fn is_another_log(&self) -> bool {
        matches!(self, RunError::View(error) if error.is_another_log())
    }
}

/// What is known already still tells most other logs.
fn remember(known: &KnownLog, directory: &Path) {
    if let Err(error) = known.store(directory) {
        tracing::warn!(error = crate::check::chain(&error), "the log is not remembered");
    }
}

/// A server whose parts start one after the other.
struct Server<'a> {
    config: &'a Config,
    journal: Journal,
    keys: Keys,
    view: View,
    /// When the log was made.
    created: String,
    registry: Registry,
    stop: CancellationToken,
    /// That of the decider.
    clock: Option<Clock>,
    /// Parts that end when they are told to.
    graceful: JoinSet<Result<(), RunError>>,
    /// Parts that are cut off.
    parts: JoinSet<Result<(), RunError>>,
    /// Of loops, by the role that they are of.
    pulses: Vec<(Role, Pulse)>,
}

impl Server<'_> {
    async fn new(config: &Config) -> Result<Server<'_>, RunError> {
        let known = config.state_dir.as_deref().map(KnownLog::load).transpose()?.flatten();
        let journal = Journal::connect(config.journal()).await?;
        journal.ensure_streams().await?;
        let (log, snapshots) = (journal.log(), journal.snapshots());
        let (view, created) = oi_view::open(&log, &snapshots, known.as_ref()).await?;
        let clusters: Clusters =
            view.read(|s| s.clusters.iter().map(|(name, c)| (c.uid, name.clone())).collect());
        let key = key::load_or_create(config, &journal, &clusters).await?;
        let key: Arc<KeyEncryptionKey> = Arc::new(key);
        let keys = || Keys::new(journal.key_store(), key.clone());
        let mut parts = JoinSet::new();
        // Deciders make keys. What the others have may only be known later.
        if !keys().check(&clusters, config.roles.contains(&Role::Decider)).await? {
            let keys = keys();
            parts.spawn(async move { Ok(key::compare(keys).await?) });
        }
        Ok(Server {
            config,
            view,
            created,
            keys: keys(),
            journal,
            registry: Registry::new(),
            stop: CancellationToken::new(),
            clock: None,
            graceful: JoinSet::new(),
            parts,
            pulses: Vec::new(),
        })
    }

    /// Keeps the view current. Deciders store its snapshots.
    fn keep_view(&mut self) {
        let (view, log) = (self.view.clone(), self.journal.log());
        let snapshots =
            self.config.roles.contains(&Role::Decider).then(|| self.journal.snapshots());
        self.parts.spawn(async move { Ok(view.keep(&log, snapshots.as_ref()).await?) });
    }

    /// Stores what is known of the log, now and then.
    fn remember_log(&mut self) -> Result<(), RunError> {
        let Some(directory) = self.config.state_dir.clone() else { return Ok(()) };
        let mut stored = self.known();
        stored.store_where_room(&directory)?;
        let view = self.view.clone();
        self.parts.spawn(async move {
            loop {
                tokio::time::sleep(REMEMBER).await;
                let known = KnownLog::of(&view, stored.created.clone());
                if known != stored {
                    remember(&known, &directory);
                    stored = known;
                }
            }
        });
        Ok(())
    }

    fn known(&self) -> KnownLog {
        KnownLog::of(&self.view, self.created.clone())
    }

    /// Forgets the keys of clusters that are gone.
    fn forget_keys(&mut self) {
        let (view, keyring) = (self.view.clone(), self.keys.keyring());
        self.parts.spawn(async move {
            let mut positions = view.positions();
            while positions.changed().await.is_ok() {
                let known: BTreeSet<_> =
                    view.read(|s| s.clusters.values().map(|c| c.uid).collect());
                keyring.retain(|uid| known.contains(&uid));
                tokio::time::sleep(FORGET).await;
            }
            Ok(())
        });
    }

    fn start(&mut self, role: Role) -> Result<(), RunError> {
        match role {
            Role::Decider => self.start_decider(),
            Role::Worker => self.start_worker(),
            Role::Gateway => self.start_gateway(),
        }
    }

    fn start_decider(&mut self) -> Result<(), RunError> {
        let config = self.config;
        let settings = DeciderSettings {
            name: config.process_name(),
            evacuate_after: Some(config.evacuate_after).filter(|&s| s > 0).map(Duration::from_secs),
            certificate_life: Duration::from_secs(config.certificate_life),
            clock_limit: Duration::from_secs(config.clock_limit),
            limits: Limits {
                jobs: config.jobs.into(),
                per_hypervisor: config.jobs_per_hypervisor.into(),
            },
            max_pending_jobs: config.max_pending_jobs as usize,
        };
        let handles = DeciderHandles {
            broker_clock: self.journal.broker_clock(),
            appender: self.journal.appender(),
            commands: self.journal.command_inbox(),
            jobs: self.journal.job_queue(),
            keyring: self.keys.keyring(),
            key_maker: self.keys.maker(),
        };
        let metrics = Arc::new(oi_decider::Metrics::new(&self.registry)?);
        let decider = Decider::new(handles, self.view.clone(), metrics, settings);
        self.clock = Some(decider.clock());
        self.pulses.push((Role::Decider, decider.pulse()));
        let stop = self.stop.clone();
        self.graceful.spawn(async move {
            decider.run(stop).await;
            Ok(())
        });
        Ok(())
    }

    fn start_worker(&mut self) -> Result<(), RunError> {
        let config = self.config;
        let settings = WorkerSettings {
            name: config.process_name(),
            helper_image: config.helper_image.clone(),
            concurrency: config.concurrency.into(),
            addons_every: Duration::from_secs(config.addons_every),
            tidy_every: TIDY_EVERY,
            backups: Some(Store::open(&config.backup_store)?),
            times: 1,
        };
        let handles = WorkerHandles {
            log: self.journal.log(),
            jobs: self.journal.job_inbox(),
            commands: self.journal.command_outbox(),
            keyring: self.keys.keyring(),
            key_shredder: self.keys.shredder(),
        };
        let metrics = Arc::new(oi_worker::Metrics::new(&self.registry)?);
        let worker = Worker::new(handles, self.view.clone(), settings, metrics);
        self.pulses.push((Role::Worker, worker.pulse()));
        let stop = self.stop.clone();
        self.graceful.spawn(async move {
            worker.run(stop).await;
            Ok(())
        });
        Ok(())
    }

    fn start_gateway(&mut self) -> Result<(), RunError> {
        let handles = GatewayHandles {
            log: self.journal.log(),
            commands: self.journal.command_client(),
            submissions: self.journal.submissions(),
            rejections: self.journal.rejections(),
            feed: self.journal.feed(),
            keyring: self.keys.keyring(),
        };
        let gateway = Gateway::new(handles, self.view.clone(), VERSION);
        let metrics = oi_gateway::Metrics::new(&self.registry)?;
        let load = |files, protocol| Tls::load(files, protocol, metrics.unusable_files(protocol));
        let tls = |protocol| self.config.tls_files().map(|f| load(f, protocol)).transpose();
        let is_open = !self.config.console_listen.ip().is_loopback();
        let page = if is_open { tls(Protocol::Http1)? } else { None };
        let tls = tls(Protocol::Http2)?;
        let (address, stop) = (self.config.listen, self.stop.clone());
        self.graceful.spawn(async move {
            Ok(gateway.serve(address, tls, async move { stop.cancelled().await }).await?)
        });
        let history = History::new(self.journal.log(), self.view.clone());
        let (address, stop) = (self.config.console_listen, self.stop.clone());
        self.graceful.spawn(async move {
            let listener = oi_console::listen(address).await?;
            let Some(tls) = page else {
                return Ok(oi_console::serve(listener, history, stop).await?);
            };
            let admits = |c: &Connection| c.sees_all().map_err(|refused| refused.message);
            let visitors = Visitors { connections: tls.accept(listener), admits };
            Ok(oi_console::serve_to(visitors, history, stop).await?)
        });
        Ok(())
    }

    fn serve_metrics(&mut self) {
        let (address, stop) = (self.config.metrics_listen, self.stop.clone());
        let endpoints = Endpoints {
            registry: self.registry.clone(),
            log: self.journal.log(),
            view: self.view.clone(),
            clock: self.clock.clone(),
            pulses: self.pulses.clone(),
        };
        self.graceful.spawn(async move {
            let served = metrics::serve(address, endpoints, stop).await;
            served.map_err(|source| RunError::Metrics { address, source })
        });
    }

    /// Waits until a part ends, and says why.
    async fn ended(&mut self) -> Result<(), RunError> {
        tokio::select! {
            Some(ended) = self.parts.join_next() => ended?,
            Some(ended) = self.graceful.join_next() => ended?,
            else => std::future::pending().await,
        }
    }

    async fn shut_down(mut self) {
        tracing::info!("stopping");
        self.stop.cancel();
        // What is not given back in time is not acknowledged, and is delivered again.
        let finish = async {
            while let Some(ended) = self.graceful.join_next().await {
                if let Err(error) = ended.unwrap_or_else(|e| Err(e.into())) {
                    tracing::warn!(error = crate::check::chain(&error), "ended with an error");
                }
            }
        };
        if tokio::time::timeout(GRACE, finish).await.is_err() {
            tracing::info!("some parts were cut off");
        }
        self.parts.shutdown().await;
        if let Some(directory) = &self.config.state_dir {
            remember(&self.known(), directory);
        }
    }
}

/// Runs the roles until SIGTERM or SIGINT, or until one fails.
///
/// # Errors
/// Why one failed.
pub async fn run(config: Config) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let mut server = Server::new(&config).await?;
    server.remember_log()?;
    server.keep_view();
    server.forget_keys();
    for role in [Role::Decider, Role::Worker, Role::Gateway] {
        if config.roles.contains(&role) {
            server.start(role)?;
        }
    }
    server.serve_metrics();
    let (name, position) = (config.process_name(), server.view.position());
    tracing::info!(name, roles = ?config.roles, position, "running");
    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = server.ended() => ended,
    };
    server.shut_down().await;
    ended
}
