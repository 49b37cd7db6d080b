//! From the start to `/readyz` through the ingress, and to the default service account.

use crate::bare::{Bare, Flags};
use crate::platform::{self, CLUSTER};
use crate::{Result, report};
use oi_helper::{Probe, probe};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(120);
const SERVICE_ACCOUNT: &str = "/api/v1/namespaces/default/serviceaccounts/default";

/// A client certificate and its key, PEM.
pub struct User {
    pub certificate: String,
    pub key: String,
}

/// Where a cluster's API is asked, with files in the working directory.
#[derive(Clone)]
pub struct Entry {
    address: SocketAddr,
    ca: PathBuf,
    client: Option<(PathBuf, PathBuf)>,
}

fn file(name: &str, text: &str) -> Result<PathBuf> {
    std::fs::write(name, text)?;
    Ok(name.into())
}

impl Entry {
    pub fn new(address: SocketAddr, ca: &str, user: Option<&User>) -> Result<Entry> {
        let client = match user {
            Some(u) => Some((file("user.crt", &u.certificate)?, file("user.key", &u.key)?)),
            None => None,
        };
        Ok(Entry { address, ca: file("ca.crt", ca)?, client })
    }

    fn with(self, user: &User) -> Result<Entry> {
        let client = Some((file("user.crt", &user.certificate)?, file("user.key", &user.key)?));
        Ok(Entry { client, ..self })
    }

    /// Waits until a path answers; how long after `start` that was.
    async fn answers(&self, path: &str, start: Instant) -> Result<Duration> {
        let what = Probe {
            address: self.address,
            path: path.to_owned(),
            ca: Some(self.ca.clone()),
            client: self.client.clone(),
            timeout: LIMIT,
        };
        tokio::task::spawn_blocking(move || probe(&what)).await??;
        Ok(start.elapsed())
    }
}

/// `/readyz`, then the service account.
type Times = (Duration, Duration);

async fn bare_run(documents: &str, flags: Flags) -> Result<Times> {
    let bare = Bare::prepare(&platform::hypervisors(documents).await?, flags).await?;
    let entry = bare.entry()?;
    let start = Instant::now();
    let measure = async {
        bare.run().await?;
        let ready = entry.answers("/readyz", start).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((
            ready,
            entry.answers(SERVICE_ACCOUNT, start).await?,
        ))
    };
    let keep = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        bare.keep().await;
    };
    let times = tokio::select! { times = measure => times, () = keep => Err("ended".into()) };
    bare.remove().await?;
    times
}

async fn platform_run() -> Result<Times> {
    let start = Instant::now();
    let reconcile = platform::oi(&["reconcile", "--file", "cluster.txt"]);
    let ready = async {
        let entry = platform::entry().await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((
            entry.answers("/readyz", start).await?,
            entry,
        ))
    };
    let account = async {
        let (ready, entry) = ready.await?;
        let entry = entry.with(&platform::user().await?)?;
        Ok((ready, entry.answers(SERVICE_ACCOUNT, start).await?))
    };
    let (times, _) = tokio::try_join!(account, reconcile)?;
    platform::oi(&["cluster", "delete", CLUSTER, "--wait"]).await?;
    Ok(times)
}

/// The bare start alone: prints the median to `/readyz` in seconds.
pub async fn bare(runs: &str) -> Result<()> {
    let documents = std::fs::read_to_string(Path::new("lab.txt"))?;
    let mut times = Vec::new();
    for _ in 0..runs.parse::<usize>()? {
        times.push(bare_run(&documents, Flags::Same).await?.0);
    }
    println!("{:.3}", crate::spread(&times).0);
    Ok(())
}

/// Interleaved runs, after one of each to warm up.
pub async fn run(runs: &str) -> Result<()> {
    let runs: usize = runs.parse()?;
    let documents = std::fs::read_to_string(Path::new("lab.txt"))?;
    let (mut bare, mut ours, mut kubeadm) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..=runs {
        let times = [
            bare_run(&documents, Flags::Same).await?,
            platform_run().await?,
            bare_run(&documents, Flags::Kubeadm).await?,
        ];
        let [(b1, b2), (o1, o2), (k1, k2)] = times.map(|(a, b)| (a.as_secs_f64(), b.as_secs_f64()));
        let what = if n == 0 { "warm-up".to_owned() } else { format!("run {n}") };
        eprintln!(
            "{what}: bare {b1:.2} s, {b2:.2} s; oi {o1:.2} s, {o2:.2} s; bare with kubeadm's flags {k1:.2} s, {k2:.2} s"
        );
        if n > 0 {
            bare.push(times[0]);
            ours.push(times[1]);
            kubeadm.push(times[2]);
        }
    }
    let first = |t: &[Times]| t.iter().map(|t| t.0).collect::<Vec<_>>();
    let second = |t: &[Times]| t.iter().map(|t| t.1).collect::<Vec<_>>();
    report("/readyz", &first(&bare), &first(&ours), 1.1, "s");
    report("default service account", &second(&bare), &second(&ours), 0.8, "s");
    report("the same, bare with kubeadm's flags", &second(&kubeadm), &second(&ours), 0.8, "s");
    Ok(())
}
