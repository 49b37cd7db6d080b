//! Keeping true what has been made true inside of clusters: what was changed there is put
//! right, kubelets get their serving certificates, DNS grows with the nodes. It needs
//! neither jobs nor the broker.

use crate::addons::Subject;
use crate::serving::{Reserved, SIGNER, Verdict, decided, is_pending, judge};
use crate::steps::{Api, StepError, Steps, all_nodes, first};
use crate::worker::Worker;
use oi_cri::{Request, Verb};
use oi_domain::Node;
use oi_events::{ClusterName, ClusterUid, Generation, Observation, chain};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How long is waited for requests of kubelets at a time.
pub const WATCH: Duration = Duration::from_secs(50);
/// What a node that has just come may still be without.
const SETTLED: Duration = Duration::from_secs(2);
/// After a failure, or while there is nothing to look at.
pub const AGAIN: Duration = Duration::from_secs(3);

/// Looks after clusters with worker nodes.
pub struct Steward {
    pub(crate) worker: Worker,
    pub(crate) steps: Steps,
    every: Duration,
    /// A node has come: there is something to look at.
    grown: Notify,
}

impl Steward {
    /// A steward that looks so often, and reports through `worker`.
    pub fn new(worker: Worker, steps: Steps, every: Duration) -> Steward {
        Steward { worker, steps, every, grown: Notify::new() }
    }

    /// Looks after each cluster, until it is dropped.
    pub async fn run(&self) {
        let mut tasks = tokio::task::JoinSet::new();
        let mut known = BTreeSet::new();
        let mut positions = self.steps.view.positions();
        loop {
            let clusters = self.steps.view.read(|s| {
                let kept = s.clusters.iter().filter(|(_, c)| c.addons.is_some());
                kept.map(|(name, c)| (name.clone(), c.uid)).collect::<Vec<_>>()
            });
            for (name, uid) in clusters {
                if known.insert((name.clone(), uid)) {
                    let steward = Steward::new(self.worker.clone(), self.steps.clone(), self.every);
                    tasks.spawn(async move {
                        tokio::select! {
                            () = steward.keep(&name, uid) => {}
                            () = steward.certify(&name, uid) => {}
                            () = steward.links(&name, uid) => {}
                        }
                    });
                }
            }
            while tasks.try_join_next().is_some() {}
            if positions.changed().await.is_err() {
                return;
            }
        }
    }

    /// The cluster while it is this life of its name, if its API can be asked now; none once
    /// it is gone.
    pub(crate) fn subject(&self, name: &ClusterName, uid: ClusterUid) -> Option<Option<Subject>> {
        self.steps.view.read(|s| {
            s.clusters.get(name).filter(|c| c.uid == uid)?;
            Some(Subject::find(s, name))
        })
    }

    /// Puts right what was changed, once it was as it should be.
    async fn keep(&self, name: &ClusterName, uid: ClusterUid) {
        let mut nodes_before = None;
        while let Some(subject) = self.subject(name, uid) {
            if subject.is_none_or(|subject| !subject.addons.done) {
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            match self.steps.keep_inside(name, uid, false).await {
                Ok(None) => {}
                Ok(Some(pass)) => {
                    if pass.kept_by_another {
                        tracing::info!(cluster = %name, "what is inside of it is another release's until the next decision: not looked after");
                    }
                    if let Some(stranger) = &pass.stranger {
                        tracing::warn!(cluster = %name, object = stranger, "was not made by oi, and is left alone");
                    }
                    let grown = nodes_before.replace(pass.worker_nodes) != Some(pass.worker_nodes);
                    let mut objects = pass.changed;
                    // As many as nodes need: that is no repair.
                    let scaled = "Deployment kube-system/coredns";
                    objects.retain(|o| !grown || o != scaled || pass.absent.contains(o));
                    self.report(name, pass.generation, objects);
                }
                Err(error) => {
                    tracing::warn!(cluster = %name, error = chain(&error), "not looked after");
                }
            }
            if tokio::time::timeout(self.every, self.grown.notified()).await.is_ok() {
                // Its controllers give it addresses for its pods.
                tokio::time::sleep(SETTLED).await;
            }
        }
    }

    fn report(&self, cluster: &ClusterName, generation: Generation, objects: Vec<String>) {
        // What was decided meanwhile is a job's, and no repair.
        let same = self.steps.view.read(|s| {
            let addons = s.clusters.get(cluster).and_then(|c| c.addons.as_ref());
            addons.is_some_and(|i| i.generation == generation)
        });
        if same && !objects.is_empty() {
            tracing::info!(%cluster, ?objects, "put right");
            let cluster = cluster.clone();
            self.worker.observe_later(Observation::DriftRepaired { cluster, generation, objects });
        }
    }

    /// Answers requests for serving certificates.
    async fn certify(&self, name: &ClusterName, uid: ClusterUid) {
        while let Some(subject) = self.subject(name, uid) {
            let pause = match subject {
                None => AGAIN,
                Some(subject) => match self.round(&subject).await {
                    // An API server that ends a watch at once would be asked without end.
                    Ok(()) => Duration::from_millis(500),
                    Err(error) => {
                        tracing::debug!(cluster = %name, error = chain(&error), "no round");
                        AGAIN
                    }
                },
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Judges what waits, then waits until there is more.
    async fn round(&self, subject: &Subject) -> Result<(), StepError> {
        let api = self.steps.api(subject).await?;
        let all = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
        let select = format!("fieldSelector=spec.signerName%3D{}", SIGNER.replace('/', "%2F"));
        let list = api.get(&format!("{all}?{select}")).await?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let pending: Vec<&Value> = items.iter().filter(|r| is_pending(r)).collect();
        if !pending.is_empty() && answer(&api, subject, &self.reserved(subject), &pending).await? {
            self.grown.notify_one();
        }
        let since = list["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        self.wait(api, &format!("{all}?{select}"), since).await
    }

    /// What no node may have a certificate for.
    fn reserved(&self, subject: &Subject) -> Reserved {
        let c = &subject.cluster;
        let mut addresses: Vec<IpAddr> = self.steps.view.read(|s| {
            let of = |n: &Arc<Node>| s.hypervisors.get(&n.hypervisor).map(|h| h.spec.address);
            c.nodes.values().filter_map(of).collect()
        });
        let names = || c.spec.extra_sans.iter().chain(c.endpoint.iter().map(|e| &e.host));
        addresses.extend(names().filter_map(|name| name.parse::<IpAddr>().ok()));
        Reserved {
            addresses,
            services: c.spec.service_cidr.parse().ok(),
            names: names().cloned().collect(),
            domain: c.spec.dns_domain.clone(),
        }
    }
}

/// Whether anything was answered.
async fn answer(
    api: &Api,
    subject: &Subject,
    reserved: &Reserved,
    pending: &[&Value],
) -> Result<bool, StepError> {
    let mut answered = false;
    let nodes = all_nodes(api).await?;
    for request in pending {
        let verdict = judge(request, &nodes, reserved);
        let title = request["metadata"]["name"].as_str().unwrap_or_default();
        let by = request["spec"]["username"].as_str().unwrap_or_default();
        let Some(object) = decided(request, &verdict) else {
            if let Verdict::Wait(why) = &verdict {
                tracing::debug!(cluster = %subject.name, request = title, by, why, "waits");
            }
            continue;
        };
        let path =
            format!("/apis/certificates.k8s.io/v1/certificatesigningrequests/{title}/approval");
        let reply = first(api.call(vec![Request::with(Verb::Put, path, &object)]).await?)?;
        // Another worker may have been faster.
        if reply.status != 409 {
            reply.object()?;
            answered = true;
            tracing::info!(cluster = %subject.name, request = title, by, ?verdict, "judged");
        }
    }
    Ok(answered)
}
