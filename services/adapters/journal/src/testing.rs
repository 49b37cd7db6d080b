//! A broker of its own for each test.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::{Journal, JournalConfig, StoredCommit, subject_of};
use oi_events::{Command as Asked, CommandId, Commit, CommitHeader, Event, Hash, RecordedCommit};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A commit that begins a log.
pub fn first_commit(command: impl Into<Asked>, events: Vec<Event>) -> Commit {
    let id = "00000000-0000-0000-0000-000000000001".parse::<CommandId>().unwrap();
    Commit {
        header: CommitHeader {
            command_id: id,
            correlation: id,
            actor: "alice".to_owned(),
            time_ms: 1_790_000_000_000,
            previous: Hash::ZERO,
        },
        command: command.into(),
        events,
    }
}

/// The commits as they are stored, each with the hash of the one before.
pub fn stored(log: &[RecordedCommit]) -> Vec<StoredCommit> {
    let mut previous = Hash::ZERO;
    let one = |recorded: &RecordedCommit| {
        let commit = &recorded.commit;
        let header = CommitHeader { previous, ..commit.header.clone() };
        let (subject, body) = (subject_of(&commit.command), commit.encode_body().unwrap());
        previous = header.hash(&subject, &body);
        StoredCommit::kept(recorded.position, subject, header, previous, body.into())
    };
    log.iter().map(one).collect()
}

/// A real nats-server with a directory and port of its own; gone when dropped.
pub struct Broker {
    dir: TempDir,
    port: u16,
    child: Option<Child>,
}

fn program() -> PathBuf {
    let cache = std::env::var_os("OI_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
        std::env::var_os("XDG_CACHE_HOME").map_or(home.join(".cache"), PathBuf::from).join("oi")
    });
    let built = cache.join("bin/nats-server");
    if built.exists() { built } else { PathBuf::from("nats-server") }
}

static PORTS: AtomicU32 = AtomicU32::new(0);

/// A free port that this process asks for once only, and below those that the kernel
/// gives to connections: nobody else takes it before it is used.
pub fn free_port() -> u16 {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let next = || {
        let number =
            PORTS.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(97));
        u16::try_from(10_000 + number % 7_000).unwrap()
    };
    std::iter::repeat_with(next).find(free).unwrap()
}

impl Broker {
    /// Starts one with the project's own nats.conf.
    ///
    /// # Panics
    /// Where there is no nats-server: run `deploy/toolchain nats-server`.
    pub fn start() -> Broker {
        let mut broker =
            Broker { dir: tempfile::tempdir().unwrap(), port: free_port(), child: None };
        broker.restart();
        broker
    }

    /// Its URL, the same after a restart.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where it keeps its streams.
    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again on the same port and directory.
    pub fn restart(&mut self) {
        self.kill();
        let conf = self.dir.path().join("nats.conf");
        std::fs::write(&conf, include_str!("../../../../nats.conf")).unwrap();
        let child = Command::new(program())
            .arg("-c")
            .arg(conf)
            .env("OI_NATS_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("OI_NATS_MONITOR", "127.0.0.1:-1")
            .env("OI_NATS_STORE", self.store())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server is needed: run deploy/toolchain nats-server");
        self.child = Some(child);
    }

    /// A connection with streams in place.
    pub async fn journal(&self) -> Journal {
        let journal = Journal::connect(self.config()).await.unwrap();
        journal.ensure_streams().await.unwrap();
        journal
    }

    /// How to connect to it.
    pub fn config(&self) -> JournalConfig {
        JournalConfig::new(&self.url(), "test")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
