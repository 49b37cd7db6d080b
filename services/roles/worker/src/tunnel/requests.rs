//! Peers of a tunnel that come and go: machines with a join token ask for an address in their
//! cluster, and workers whose Nodes are gone lose theirs. Both become observations, on which the
//! domain decides.

use super::objects::{NAMESPACE, REQUEST};
use crate::addons::{self, ClusterApi, ClusterContext, Failures, LEFT, Lookup, Pages, RETRY, only};
use crate::place::{Request, items, version};
use crate::reporter::Reporter;
use crate::steps::{StepError, Steps};
use oi_domain::{Tunnel, is_dns_name};
use oi_events::{ClusterName, ClusterUid, Observation, TunnelPeer, parsed};
use oi_tunnel::Key;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long a machine with an address may take to become a node, or its Node may be gone.
const GRACE: Duration = Duration::from_secs(180);
/// The pause between two rounds: time for a decision.
const PAUSE: Duration = Duration::from_millis(250);
/// The number of requests that are read at a time. Each may be as large as an object can be, and
/// answers of an API are read up to 8 MiB.
const PAGE: usize = 7;
/// The answers.
const PEERS: &str = "peers";
/// So many ConfigMaps that are neither requests nor answers stay: controllers put some into each
/// namespace.
const OTHERS: usize = 50;
/// How long a request that was reported is not reported again.
const REPORT_AGAIN: Duration = Duration::from_secs(10);

/// A machine's request.
struct PeerRequest {
    /// The ConfigMap's name.
    title: String,
    worker: String,
    public_key: Option<[u8; 32]>,
}

impl PeerRequest {
    fn read(object: &Value) -> PeerRequest {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        PeerRequest {
            title: text(&object["metadata"]["name"]),
            worker: text(&object["data"]["worker"]),
            public_key: parsed::<Key>(&text(&object["data"]["publicKey"])).map(|key| key.0),
        }
    }

    /// The key, if a decision is due; none where it was made, or can never be.
    fn due(&self, tunnel: &Tunnel) -> Option<[u8; 32]> {
        let key = self.public_key?;
        let named = tunnel.peers.contains_key(&TunnelPeer::Worker(self.worker.clone()));
        let used = tunnel.peers.values().any(|p| p.public_key == Some(key));
        let can_be = is_dns_name(&self.worker) && tunnel.free_address().is_some();
        (can_be && !named && !used).then_some(key)
    }
}

/// Reports the requests of machines, and the workers that are gone.
pub struct PeerRequests {
    steps: Steps,
    reporter: Reporter,
}

/// What is remembered of a cluster between two rounds.
#[derive(Default)]
struct Memory {
    /// When requests were reported, by the names of their ConfigMaps.
    reported: BTreeMap<String, Instant>,
    /// Since when workers with an address have no Node.
    absent: BTreeMap<TunnelPeer, Instant>,
    failures: Failures,
}

impl PeerRequests {
    /// Reports through the reporter of these steps.
    pub fn new(steps: Steps) -> PeerRequests {
        let reporter = steps.reporter.clone();
        PeerRequests { steps, reporter }
    }

    /// Looks after the peers of a cluster until it is gone.
    pub async fn run(&self, name: &ClusterName, uid: ClusterUid) {
        let mut memory = Memory::default();
        loop {
            let pause = match self.steps.view.read(|s| ClusterContext::lookup(s, name, uid)) {
                Lookup::Gone => return,
                Lookup::Unavailable => RETRY,
                Lookup::Found(cluster) => match &cluster.cluster.tunnel {
                    None => RETRY,
                    Some(tunnel) => self.round_or_retry(&cluster, tunnel, &mut memory).await,
                },
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn round_or_retry(
        &self,
        cluster: &ClusterContext,
        tunnel: &Tunnel,
        memory: &mut Memory,
    ) -> Duration {
        match self.round(cluster, tunnel, memory).await {
            Ok(()) => {
                memory.failures.end();
                PAUSE
            }
            Err(error) => {
                let what = "requests for addresses not looked at";
                memory.failures.add(&cluster.name, what, &error);
                RETRY
            }
        }
    }

    /// Looks once, then waits until there is a new request. Does not wait while one is due.
    async fn round(
        &self,
        cluster: &ClusterContext,
        tunnel: &Tunnel,
        memory: &mut Memory,
    ) -> Result<(), StepError> {
        let api = self.steps.api(&cluster.cluster).await?;
        let all = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
        let label = REQUEST.replace('/', "%2F");
        let path = format!("{all}?labelSelector={label}");
        let requests = vec![Request::get(format!("{path}&limit={PAGE}"))];
        let others = Pages::of_metadata(format!("{all}?labelSelector=%21{label}"), addons::PAGE);
        let (replies, others) = api.read(requests, vec![others]).await?;
        let list = only(replies)?.object()?;
        let (mut answered, mut waits) = (Vec::new(), false);
        for request in items(&list)?.iter().map(PeerRequest::read) {
            match request.due(tunnel) {
                Some(public_key) => {
                    waits = true;
                    self.report(cluster, request, public_key, memory);
                }
                None => {
                    if request.public_key.is_none() {
                        let (cluster, worker) = (&cluster.name, &request.worker);
                        tracing::info!(%cluster, worker, "asks with what is no key");
                    }
                    answered.push(format!("{all}/{}", request.title));
                }
            }
        }
        // Whoever may ask may make others, too, and they would use up the quota for good.
        let strays = strays(others.into_iter().flatten().collect());
        answered.extend(strays.iter().map(|title| format!("{all}/{title}")));
        api.delete(answered).await?;
        memory.reported.retain(|_, at| at.elapsed() < REPORT_AGAIN);
        self.report_gone(&api, cluster, tunnel, memory).await?;
        if waits {
            return Ok(());
        }
        api.wait_for_change(&path, version(&list)?).await
    }

    fn report(
        &self,
        cluster: &ClusterContext,
        request: PeerRequest,
        public_key: [u8; 32],
        memory: &mut Memory,
    ) {
        if memory.reported.get(&request.title).is_some_and(|at| at.elapsed() < REPORT_AGAIN) {
            return;
        }
        memory.reported.insert(request.title, Instant::now());
        let (cluster, worker) = (cluster.name.clone(), request.worker);
        tracing::info!(%cluster, worker, "asks for an address in the tunnel");
        self.reporter.observe_later(Observation::PeerRequested { cluster, worker, public_key });
    }

    /// Reports workers that had time to become nodes, and are none.
    async fn report_gone(
        &self,
        api: &ClusterApi,
        cluster: &ClusterContext,
        tunnel: &Tunnel,
        memory: &mut Memory,
    ) -> Result<(), StepError> {
        if tunnel.peers.keys().all(|who| matches!(who, TunnelPeer::ControlPlane(_))) {
            memory.absent.clear();
            return Ok(());
        }
        let nodes = node_names(&api.nodes().await?);
        let is_absent =
            |who: &TunnelPeer| matches!(who, TunnelPeer::Worker(worker) if !nodes.contains(worker));
        memory.absent.retain(|who, _| tunnel.peers.contains_key(who) && is_absent(who));
        for (who, peer) in tunnel.peers.iter().filter(|(who, _)| is_absent(who)) {
            let since = memory.absent.entry(who.clone()).or_insert_with(Instant::now);
            if let (TunnelPeer::Worker(worker), Some(public_key)) = (who, peer.public_key)
                && since.elapsed() >= GRACE
            {
                *since = Instant::now();
                let (cluster, worker) = (cluster.name.clone(), worker.clone());
                tracing::info!(%cluster, worker, "is gone: its address becomes free");
                self.reporter.observe_later(Observation::WorkerGone {
                    cluster,
                    worker,
                    public_key,
                });
            }
        }
        Ok(())
    }
}

/// Those that are too many: the oldest stay.
fn strays(mut objects: Vec<Value>) -> Vec<String> {
    objects.retain(|o| o["metadata"]["name"] != PEERS);
    // RFC 3339, in UTC.
    objects.sort_by_key(|o| o["metadata"]["creationTimestamp"].as_str().map(str::to_owned));
    let names = objects.iter().skip(OTHERS).filter_map(|o| o["metadata"]["name"].as_str());
    names.map(str::to_owned).collect()
}

/// The names of Nodes, without those whose machines have left.
fn node_names(nodes: &[Value]) -> BTreeSet<String> {
    let left = |n: &&Value| n["metadata"]["labels"].get(LEFT).is_some();
    let stay = nodes.iter().filter(|n| !left(n));
    stay.filter_map(|n| n["metadata"]["name"].as_str()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_request_does_not_use_up_the_quota() {
        let made = |name: &str, second: usize| {
            let at = format!("2026-01-01T00:00:{second:02}Z");
            json!({"metadata": {"name": name, "creationTimestamp": at}})
        };
        let mut objects = vec![made("peers", 59), made("junk-1", 58), made("junk-2", 57)];
        assert!(strays(objects.clone()).is_empty());
        objects.extend((1..OTHERS).map(|n| made(&format!("of-a-controller-{n}"), n)));
        assert_eq!(strays(objects), ["junk-1"]);
    }
}
