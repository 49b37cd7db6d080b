//! The settings. A flag wins over the environment, that over the file, and that over what
//! is built in.

use clap::{Args, Parser, Subcommand, ValueEnum};
use oi_gateway::TlsFiles;
use oi_journal::{Credentials, JournalConfig};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A part of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Role {
    /// The gRPC API.
    Gateway,
    /// Commands to events.
    Decider,
    /// Jobs to CRI calls.
    Worker,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

fn collector(text: &str) -> Result<String, &'static str> {
    match text.strip_prefix("http://") {
        Some(rest) if !rest.is_empty() => Ok(text.to_owned()),
        _ => Err("write http://host:port; for TLS, run a collector on this machine"),
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For both.
    Yaml,
}

/// Kubernetes masters as a service on an event log.
#[derive(Debug, Parser)]
#[command(
    name = "oi-server",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Cli {
    /// Something else than running.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// How to run.
    #[command(flatten)]
    pub config: Config,
}

/// What there is to do beside running.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Prints each setting and where it is from, and tries what can be tried without
    /// starting: exits with 1 where it would not start. Nothing is changed.
    CheckConfig {
        /// How it is printed.
        #[arg(short, long, default_value = "table")]
        output: Format,
        /// The settings.
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Makes an nkey for the broker: the seed goes to a new file, the public key to stdout.
    MakeNkey {
        /// The file.
        file: PathBuf,
    },
}

/// Where backups go by default: to this machine, which no other worker reads.
pub const BACKUP_STORE: &str = "file:///var/lib/oi/backups";

/// How it runs.
#[derive(Debug, Args)]
pub struct Config {
    /// A YAML file of settings, named as the flags are without the two hyphens.
    #[arg(long, env = "OI_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Which roles run in this process.
    #[arg(long, env = "OI_ROLES", value_delimiter = ',', default_value = "gateway,decider,worker")]
    pub roles: Vec<Role>,
    /// The broker: nats://host:port, several separated by commas.
    #[arg(long, env = "OI_NATS_URL", default_value = "nats://127.0.0.1:7442")]
    pub nats_url: String,
    /// The seed of this process's nkey, mode 0600, where the broker asks for one; read
    /// again at each connection.
    #[arg(long, env = "OI_NATS_NKEY", value_name = "FILE")]
    pub nats_nkey: Option<PathBuf>,
    /// The broker's authorities, PEM, where it speaks TLS; read again at each connection.
    #[arg(long, env = "OI_NATS_CA", value_name = "FILE")]
    pub nats_ca: Option<PathBuf>,
    /// Where the broker lets this process hear answers, for example _INBOX.worker.
    #[arg(long, env = "OI_NATS_INBOX", value_name = "PREFIX")]
    pub nats_inbox: Option<String>,
    /// Replicas of each stream.
    #[arg(long, env = "OI_REPLICAS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub replicas: u8,
    /// Where the API listens (role gateway). Without --tls-cert whoever reaches it may do
    /// everything: keep it on loopback then.
    #[arg(long, env = "OI_LISTEN", default_value = "127.0.0.1:7440")]
    pub listen: SocketAddr,
    /// The API's certificate, PEM; read again when it changes (role gateway).
    #[arg(long, env = "OI_TLS_CERT", requires = "tls_key", requires = "tls_client_ca")]
    pub tls_cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, env = "OI_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The authorities of clients, PEM. A client's common name is the actor; its
    /// organization is its role: oi:viewer, oi:operator or oi:admin, and for a tenant
    /// oi:tenant:NAME beside it.
    #[arg(long, env = "OI_TLS_CLIENT_CA", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,
    /// Client certificates that are let in no longer: a serial number or a SHA-256 fingerprint
    /// a line, as openssl prints them; read again when it changes. What they have open ends.
    #[arg(long, env = "OI_TLS_DENY_FILE", requires = "tls_cert", value_name = "FILE")]
    pub tls_deny_file: Option<PathBuf>,
    /// Where the web page is served (role gateway). It only reads. On loopback it asks nobody who
    /// they are; elsewhere it asks for a client certificate as the API does, of whoever is no
    /// tenant's, and needs --tls-cert.
    #[arg(long, env = "OI_CONSOLE_LISTEN", default_value = "127.0.0.1:7445")]
    pub console_listen: SocketAddr,
    /// Where /metrics, /livez and /readyz listen.
    #[arg(long, env = "OI_METRICS_LISTEN", default_value = "127.0.0.1:7441")]
    pub metrics_listen: SocketAddr,
    /// File with the key-encryption key, mode 0600. All servers of a log have the same.
    #[arg(long, env = "OI_KEY_FILE", default_value = "/var/lib/oi/kek")]
    pub key_file: PathBuf,
    /// Makes the key file where it is absent and the log has no key yet: at the first start of the
    /// first server. Copy it to the others then, and to a safe place.
    #[arg(long, env = "OI_CREATE_KEY_FILE", action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub create_key_file: bool,
    /// A directory in which this machine's servers remember the log across restarts
    /// (known-log.json): with another log, or a shorter one, they end with exit code 3. To accept the
    /// other log, remove the file: see docs/broker.md. Without it, only a running server knows its log.
    #[arg(long, env = "OI_STATE_DIR", value_name = "DIRECTORY")]
    pub state_dir: Option<PathBuf>,
    /// Image of the helper on hypervisors.
    #[arg(long, env = "OI_HELPER_IMAGE", default_value = "ghcr.io/oi-project/oi-helper:0.2.0")]
    pub helper_image: String,
    /// After how many seconds the nodes of a hypervisor that is away get a new place; 0
    /// for never (role decider).
    #[arg(long, env = "OI_EVACUATE_AFTER", default_value_t = 300)]
    pub evacuate_after: u64,
    /// How many seconds certificates of components last; they are renewed at two thirds
    /// of that (role decider).
    #[arg(long, env = "OI_CERTIFICATE_LIFE", default_value_t = 365 * 24 * 3600, value_parser = clap::value_parser!(u64).range(60..))]
    pub certificate_life: u64,
    /// By how many seconds the clocks of this machine and the broker may differ: beyond that,
    /// this decider does not decide (role decider).
    #[arg(long, env = "OI_CLOCK_LIMIT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub clock_limit: u64,
    /// How many jobs this decider offers at a time: as many as its share of the workers does.
    /// What heals may take all of that, what is new three quarters, what tidies up half (role
    /// decider).
    #[arg(long, env = "OI_JOBS", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,
    /// How many of them on one hypervisor (role decider).
    #[arg(long, env = "OI_JOBS_PER_HYPERVISOR", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs_per_hypervisor: u16,
    /// While this many jobs are pending, commands that add work are rejected as backlog-full (role
    /// decider).
    #[arg(long, env = "OI_MAX_PENDING_JOBS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_pending_jobs: u32,
    /// Where backups go: file:///directory, or s3://bucket/prefix with the usual AWS_*
    /// variables (role worker). All workers must find the same backups there.
    #[arg(long, env = "OI_BACKUP_STORE", default_value = BACKUP_STORE)]
    pub backup_store: String,
    /// Jobs at a time (role worker). Most of them wait for something.
    #[arg(long, env = "OI_CONCURRENCY", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// How often, in seconds, what is kept inside of clusters for worker nodes is looked at, and
    /// put right (role worker).
    #[arg(long, env = "OI_ADDONS_EVERY", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub addons_every: u64,
    /// The OpenTelemetry collector that gets traces, OTLP over gRPC: http://host:port.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = collector)]
    pub otlp_endpoint: Option<String>,
    /// What this process calls itself; its host name and pid where absent.
    #[arg(long, env = "OI_NAME")]
    pub name: Option<String>,
    /// How log lines look; their level is set by OI_LOG, for example debug.
    #[arg(long, env = "OI_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

impl Config {
    /// How to reach the broker, as whom.
    pub fn journal(&self) -> JournalConfig {
        JournalConfig {
            replicas: self.replicas.into(),
            credentials: Credentials {
                nkey: self.nats_nkey.clone(),
                ca: self.nats_ca.clone(),
                inbox: self.nats_inbox.clone(),
            },
            ..JournalConfig::new(&self.nats_url, &self.process_name())
        }
    }

    /// The files of mutual TLS, if it is wanted.
    pub fn tls_files(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            certificate: self.tls_cert.clone()?,
            key: self.tls_key.clone()?,
            client_ca: self.tls_client_ca.clone()?,
            denied: self.tls_deny_file.clone(),
        })
    }

    /// What this process calls itself.
    pub fn process_name(&self) -> String {
        self.name.clone().unwrap_or_else(|| {
            let pid = std::process::id();
            match std::fs::read_to_string("/proc/sys/kernel/hostname") {
                Ok(host) => format!("{}-{pid}", host.trim()),
                Err(_) => format!("unknown-{pid}"),
            }
        })
    }
}
