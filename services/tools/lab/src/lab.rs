//! What a lab consists of: a pure function of its settings, which are kept in its
//! directory.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// How many ports of 127.0.0.1 lead to each public hypervisor.
pub const PUBLIC_PORTS: u16 = 100;

/// How a lab was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// How many private hypervisors.
    pub size_private: u16,
    /// How many public hypervisors.
    pub size_public: u16,
    /// The first of four ports: gateway, metrics, broker, registry.
    pub base_port: u16,
    /// The first port of 127.0.0.1 that leads to a public hypervisor.
    pub public_port: u16,
    /// The third byte of 10.89.x.0/24.
    pub subnet: u8,
    /// Whether oi-server runs.
    pub server: bool,
}

/// A hypervisor of the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hypervisor {
    /// `<lab>-private-N` or `<lab>-public-N`.
    pub name: String,
    /// Carries ingresses.
    pub public: bool,
    /// Its address on the lab's bridge.
    pub address: Ipv4Addr,
    /// Host ports, both ends included.
    pub ports: (u16, u16),
    /// Its directory.
    pub dir: PathBuf,
    /// The host's end of its cable.
    pub cable: String,
}

/// A lab in its directory.
pub struct Lab {
    /// How it was asked for.
    pub settings: Settings,
    /// Where it keeps everything.
    pub dir: PathBuf,
}

impl Lab {
    /// The lab with these settings below `base`.
    pub fn new(base: &Path, settings: Settings) -> Lab {
        Lab { dir: base.join(&settings.name), settings }
    }

    /// A short name that is this lab's alone, for interfaces (15 characters at most).
    pub fn tag(&self) -> String {
        let digest = Sha256::digest(self.dir.as_os_str().as_encoded_bytes());
        format!("oi{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2])
    }

    /// The host's own address on the bridge.
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 89, self.settings.subnet, 1)
    }

    /// The nth port of the lab.
    fn port(&self, n: u16) -> u16 {
        self.settings.base_port + n
    }

    /// Where oi-server's API listens.
    pub fn api(&self) -> String {
        format!("127.0.0.1:{}", self.port(0))
    }

    /// Where oi-server's metrics listen.
    pub fn metrics(&self) -> String {
        format!("127.0.0.1:{}", self.port(1))
    }

    /// Where the broker listens.
    pub fn broker(&self) -> String {
        format!("127.0.0.1:{}", self.port(2))
    }

    /// Where the registry listens: on the bridge.
    pub fn registry(&self) -> String {
        format!("{}:{}", self.gateway(), self.port(3))
    }

    /// Where the broker's monitoring listens.
    pub fn monitor(&self) -> String {
        format!("127.0.0.1:{}", self.port(4))
    }

    /// Where oi-server's page is served.
    pub fn page(&self) -> String {
        format!("127.0.0.1:{}", self.port(5))
    }

    /// The file with the key-encryption key.
    pub fn key_file(&self) -> PathBuf {
        self.dir.join("kek")
    }

    /// Where its backups go, unless OI_BACKUP_STORE says otherwise.
    pub fn backup_store(&self) -> String {
        std::env::var("OI_BACKUP_STORE")
            .unwrap_or_else(|_| format!("file://{}/backups", self.dir.display()))
    }

    /// All its hypervisors, private ones first.
    pub fn hypervisors(&self) -> Vec<Hypervisor> {
        let s = &self.settings;
        let one = |n: u16, public: bool| {
            let kind = if public { "public" } else { "private" };
            let name = format!("{}-{kind}-{n}", s.name);
            let slot = if public { 128 + n } else { 10 + n };
            let first = s.public_port + PUBLIC_PORTS * n;
            Hypervisor {
                dir: self.dir.join(&name),
                address: Ipv4Addr::new(10, 89, s.subnet, u8::try_from(slot).unwrap_or(u8::MAX)),
                ports: if public { (first, first + PUBLIC_PORTS - 1) } else { (30_000, 60_000) },
                cable: format!("{}{}{n}", self.tag(), if public { 'u' } else { 'p' }),
                name,
                public,
            }
        };
        (0..s.size_private)
            .map(|n| one(n, false))
            .chain((0..s.size_public).map(|n| one(n, true)))
            .collect()
    }
}

impl Hypervisor {
    /// Its CRI socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("cri.sock")
    }

    /// The cgroup of its containers.
    pub fn cgroup(&self) -> &str {
        &self.cable
    }

    /// Where the sockets of its shims are: containerd wants a short path.
    pub fn shim_sockets(&self) -> PathBuf {
        Path::new("/run/oi-local").join(&self.cable)
    }

    /// Its directory for files of clusters.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }
}
