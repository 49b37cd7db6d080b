//! Links to the tunnels of clusters: machines that hold a join token ask for one inside of
//! their cluster, and workers whose nodes are gone lose theirs. What is given is decided and
//! recorded like all else.

use crate::addons::{ASK, Subject, TUNNEL_NAMESPACE};
use crate::steps::{Api, StepError, all_nodes, first};
use crate::steward::{AGAIN, Steward, WATCH};
use oi_cri::{Request, Verb};
use oi_domain::{Tunnel, is_dns_name};
use oi_events::{ClusterName, ClusterUid, Observation, TunnelPeer, chain};
use oi_tunnel::Key;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long a machine with a link may take to become a node, or its Node may be gone.
const GRACE: Duration = Duration::from_secs(180);
/// Until what was reported is decided.
const SHORTLY: Duration = Duration::from_millis(250);
/// So many are heard at a time: each may be as large as an object can be, and answers of an
/// API are read up to 8 MiB.
const PAGE: usize = 7;
/// What was reported is not reported again for so long.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What a machine asks.
struct Ask {
    /// The ConfigMap's name.
    title: String,
    worker: String,
    public_key: Option<[u8; 32]>,
}

/// What one worker of oi remembers of a cluster between rounds.
#[derive(Default)]
struct Known {
    /// Asks that were reported, by their ConfigMaps' names.
    reported: BTreeMap<String, Instant>,
    /// Since when workers with a link have no Node.
    absent: BTreeMap<TunnelPeer, Instant>,
}

impl Ask {
    fn read(object: &Value) -> Ask {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        Ask {
            title: text(&object["metadata"]["name"]),
            worker: text(&object["data"]["worker"]),
            public_key: Key::parse(&text(&object["data"]["publicKey"])).map(|key| key.0),
        }
    }

    /// The key, where it is to be decided; none where it was, or never can be.
    fn open(&self, tunnel: &Tunnel) -> Option<[u8; 32]> {
        let key = self.public_key?;
        let named = tunnel.peers.contains_key(&TunnelPeer::Worker(self.worker.clone()));
        let used = tunnel.peers.values().any(|p| p.public_key == Some(key));
        let can_be = is_dns_name(&self.worker) && tunnel.free_address().is_some();
        (can_be && !named && !used).then_some(key)
    }
}

impl Steward {
    /// Hears what machines ask, and notes who is gone.
    pub(super) async fn links(&self, name: &ClusterName, uid: ClusterUid) {
        let mut known = Known::default();
        while let Some(subject) = self.subject(name, uid) {
            let pause = match subject.filter(|s| s.cluster.tunnel.is_some()) {
                None => AGAIN,
                Some(subject) => match self.links_round(&subject, &mut known).await {
                    Ok(pause) => pause,
                    Err(error) => {
                        tracing::debug!(cluster = %name, error = chain(&error), "no round");
                        AGAIN
                    }
                },
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn links_round(
        &self,
        subject: &Subject,
        known: &mut Known,
    ) -> Result<Duration, StepError> {
        let Some(tunnel) = &subject.cluster.tunnel else { return Ok(AGAIN) };
        let api = self.steps.api(subject).await?;
        let all = format!("/api/v1/namespaces/{TUNNEL_NAMESPACE}/configmaps");
        let select = format!("labelSelector={}", ASK.replace('/', "%2F"));
        let list = api.get(&format!("{all}?{select}&limit={PAGE}")).await?;
        let asks = list["items"].as_array().into_iter().flatten().map(Ask::read);
        let (mut heard, mut waits) = (Vec::new(), false);
        for ask in asks {
            match ask.open(tunnel) {
                Some(public_key) => {
                    waits = true;
                    if known.reported.get(&ask.title).is_some_and(|at| at.elapsed() < AGAIN_AFTER) {
                        continue;
                    }
                    known.reported.insert(ask.title, Instant::now());
                    let (cluster, worker) = (subject.name.clone(), ask.worker);
                    tracing::info!(%cluster, worker, "asks for a link");
                    self.worker.observe_later(Observation::PeerRequested {
                        cluster,
                        worker,
                        public_key,
                    });
                }
                None => heard.push(format!("{all}/{}", ask.title)),
            }
        }
        api.remove(heard).await?;
        known.reported.retain(|_, at| at.elapsed() < AGAIN_AFTER);
        self.note_gone(&api, subject, tunnel, known).await?;
        if waits {
            return Ok(SHORTLY);
        }
        let since = list["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        self.wait(api, &format!("{all}?{select}"), since).await?;
        Ok(SHORTLY)
    }

    /// Workers that had time to become nodes, and are none.
    async fn note_gone(
        &self,
        api: &Api,
        subject: &Subject,
        tunnel: &Tunnel,
        known: &mut Known,
    ) -> Result<(), StepError> {
        if tunnel.peers.keys().all(|who| matches!(who, TunnelPeer::ControlPlane(_))) {
            known.absent.clear();
            return Ok(());
        }
        let left = |n: &Value| n["metadata"]["labels"].get("oi/left").is_some();
        let nodes = all_nodes(api).await?;
        let names: BTreeSet<&str> = nodes
            .iter()
            .filter(|n| !left(n))
            .filter_map(|n| n["metadata"]["name"].as_str())
            .collect();
        let absent = |who: &TunnelPeer| matches!(who, TunnelPeer::Worker(worker) if !names.contains(worker.as_str()));
        known.absent.retain(|who, _| tunnel.peers.contains_key(who) && absent(who));
        for (who, peer) in tunnel.peers.iter().filter(|(who, _)| absent(who)) {
            let since = known.absent.entry(who.clone()).or_insert_with(Instant::now);
            if let (TunnelPeer::Worker(worker), Some(public_key)) = (who, peer.public_key)
                && since.elapsed() >= GRACE
            {
                *since = Instant::now();
                let (cluster, worker) = (subject.name.clone(), worker.clone());
                tracing::info!(%cluster, worker, "is gone: its link goes, too");
                self.worker.observe_later(Observation::WorkerGone { cluster, worker, public_key });
            }
        }
        Ok(())
    }

    /// Until something changes there, or for as long as a watch lasts.
    pub(super) async fn wait(&self, api: Api, list: &str, since: &str) -> Result<(), StepError> {
        let seconds = WATCH.as_secs();
        let path = format!("{list}&watch=1&resourceVersion={since}&timeoutSeconds={seconds}");
        let api = api.patient(u64::try_from(WATCH.as_millis()).unwrap_or(u64::MAX) + 10_000);
        let watch = Request { verb: Verb::First, path, body: Vec::new() };
        let reply = first(api.call(vec![watch]).await?)?;
        if !reply.is_success() {
            // Its own words are those of a rejection.
            reply.object()?;
        }
        Ok(())
    }
}
