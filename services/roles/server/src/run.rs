//! Putting the roles together.

use crate::VERSION;
use crate::config::{Config, Role};
use crate::metrics::{self, Endpoints};
use oi_backup_store::{Store, StoreError};
use oi_console::{History, PageError};
use oi_decider::{Decider, DeciderSettings, Limits};
use oi_gateway::{Gateway, GatewayError, Tls, TlsError};
use oi_journal::{ConnectError, Journal, SetupError};
use oi_pki::{KeyEncryptionKey, KeyFileError};
use oi_view::{Keyring, View, ViewError};
use oi_worker::{Worker, WorkerSettings};
use prometheus::Registry;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long a log may not be readable at the start.
const LOADING: Duration = Duration::from_secs(60);
/// How long roles may take to finish what they have in hand.
const GRACE: Duration = Duration::from_secs(5);

/// Why the server ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Its directory.
    #[error("cannot make {path}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
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
    /// Signals cannot be heard.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

fn load_key(config: &Config) -> Result<KeyEncryptionKey, RunError> {
    if let Some(dir) = config.key_file.parent() {
        std::fs::create_dir_all(dir)
            .map_err(|source| RunError::Directory { path: dir.to_owned(), source })?;
    }
    Ok(KeyEncryptionKey::load_or_create(&config.key_file)?)
}

/// Folds the log, and waits for brokers that are choosing a leader.
async fn load(journal: &Journal) -> Result<View, ViewError> {
    let deadline = tokio::time::Instant::now() + LOADING;
    loop {
        match View::load(journal).await {
            Err(ViewError::Read(error))
                if error.is_passing() && tokio::time::Instant::now() < deadline =>
            {
                tracing::warn!(error = &error as &dyn std::error::Error, "log not readable yet");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            loaded => return loaded,
        }
    }
}

/// Runs the roles until SIGTERM or SIGINT, or until one fails.
///
/// # Errors
/// Why one failed.
pub async fn run(config: Config) -> Result<(), RunError> {
    let name = config.process_name();
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let key = load_key(&config)?;
    let journal = Journal::connect(config.journal()).await?;
    journal.ensure_streams().await?;
    let view = load(&journal).await?;
    let keyring = Keyring::new(journal.clone(), Arc::new(key));
    let registry = Registry::new();
    let stop = CancellationToken::new();
    let is = |role| config.roles.contains(&role);

    // These end by themselves when they are told to; the others are cut off.
    let mut graceful: tokio::task::JoinSet<Result<(), RunError>> = tokio::task::JoinSet::new();
    let mut parts: tokio::task::JoinSet<Result<(), RunError>> = tokio::task::JoinSet::new();
    {
        let (view, journal, snapshots) = (view.clone(), journal.clone(), is(Role::Decider));
        parts.spawn(async move { Ok(view.keep(&journal, snapshots).await?) });
    }
    if is(Role::Decider) {
        let metrics = Arc::new(oi_decider::Metrics::new(&registry)?);
        let settings = DeciderSettings {
            name: name.clone(),
            evacuate_after: Some(config.evacuate_after).filter(|&s| s > 0).map(Duration::from_secs),
            certificate_life: Duration::from_secs(config.certificate_life),
            limits: Limits {
                jobs: config.jobs.into(),
                per_hypervisor: config.jobs_per_hypervisor.into(),
            },
            max_pending_jobs: config.max_pending_jobs as usize,
        };
        let decider =
            Decider::new(journal.clone(), view.clone(), keyring.clone(), metrics, settings);
        let stop = stop.clone();
        graceful.spawn(async move {
            decider.run(stop).await;
            Ok(())
        });
    }
    if is(Role::Worker) {
        let metrics = Arc::new(oi_worker::Metrics::new(&registry)?);
        let settings = WorkerSettings {
            name: name.clone(),
            helper_image: config.helper_image.clone(),
            concurrency: config.concurrency.into(),
            addons_every: Duration::from_secs(config.addons_every),
            backups: Some(Store::open(&config.backup_store)?),
            times: 1,
        };
        let worker = Worker::new(journal.clone(), view.clone(), keyring.clone(), settings, metrics);
        let stop = stop.clone();
        graceful.spawn(async move {
            worker.run(stop).await;
            Ok(())
        });
    }
    if is(Role::Gateway) {
        let gateway = Gateway::new(journal.clone(), view.clone(), keyring.clone(), VERSION);
        let tls = config.tls_files().map(Tls::load).transpose()?;
        let (address, page, stop_page) = (config.listen, config.console_listen, stop.clone());
        let stop = stop.clone();
        graceful.spawn(async move {
            Ok(gateway.serve(address, tls, async move { stop.cancelled().await }).await?)
        });
        let history = History::new(journal.clone(), view.clone());
        graceful.spawn(async move { Ok(oi_console::serve(page, history, stop_page).await?) });
    }
    {
        let (address, stop) = (config.metrics_listen, stop.clone());
        let endpoints = Endpoints { registry, journal: journal.clone(), view: view.clone() };
        graceful.spawn(async move {
            let served = metrics::serve(address, endpoints, stop).await;
            served.map_err(|source| RunError::Metrics { address, source })
        });
    }
    tracing::info!(name, roles = ?config.roles, position = view.position(), "running");

    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        Some(Ok(ended)) = parts.join_next() => ended,
        Some(Ok(ended)) = graceful.join_next() => ended,
    };
    tracing::info!("stopping");
    stop.cancel();
    // What is not given back in time is not acknowledged, and comes again.
    let finish = async { while graceful.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finish).await.is_err() {
        tracing::info!("something was cut off");
    }
    parts.shutdown().await;
    ended
}
