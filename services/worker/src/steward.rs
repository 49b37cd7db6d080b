//! Keeping true what has been made true inside of clusters: what was changed there is put
//! right, kubelets get their serving certificates, DNS grows with the nodes. It needs
//! neither jobs nor the broker.

use crate::inside::Subject;
use crate::serving::{SIGNER, Verdict, decided, is_pending, judge};
use crate::steps::{Api, StepError, Steps, first};
use crate::worker::Worker;
use oi_cri::{Request, Verb};
use oi_domain::service_ip;
use oi_events::{ClusterName, ClusterUid, Generation, Observation, chain};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// How long is waited for requests of kubelets at a time.
const WATCH: Duration = Duration::from_secs(50);
/// After a failure, or while there is nothing to look at.
const AGAIN: Duration = Duration::from_secs(3);

/// Looks after clusters with worker nodes.
pub struct Steward {
    worker: Worker,
    steps: Steps,
    every: Duration,
}

impl Steward {
    /// A steward that looks so often, and reports through `worker`.
    pub fn new(worker: Worker, steps: Steps, every: Duration) -> Steward {
        Steward { worker, steps, every }
    }

    /// Looks after each cluster, until it is dropped.
    pub async fn run(&self) {
        let mut tasks = tokio::task::JoinSet::new();
        let mut known = BTreeSet::new();
        let mut positions = self.steps.view.positions();
        loop {
            let clusters = self.steps.view.read(|s| {
                let kept = s.clusters.iter().filter(|(_, c)| c.inside.is_some());
                kept.map(|(name, c)| (name.clone(), c.uid)).collect::<Vec<_>>()
            });
            for (name, uid) in clusters {
                if known.insert((name.clone(), uid)) {
                    let steward = Steward::new(self.worker.clone(), self.steps.clone(), self.every);
                    tasks.spawn(async move {
                        tokio::select! {
                            () = steward.keep(&name, uid) => {}
                            () = steward.certify(&name, uid) => {}
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

    /// The cluster while it is this life of its name; none once it is gone. Nothing to do
    /// for now where what is to be inside was not put there yet.
    fn subject(&self, name: &ClusterName, uid: ClusterUid) -> Option<Option<Subject>> {
        self.steps.view.read(|s| {
            s.clusters.get(name).filter(|c| c.uid == uid)?;
            Some(Subject::find(s, name).filter(|subject| subject.inside.done))
        })
    }

    /// Puts right what was changed.
    async fn keep(&self, name: &ClusterName, uid: ClusterUid) {
        let mut nodes_before = None;
        while let Some(subject) = self.subject(name, uid) {
            let Some(subject) = subject else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            match self.steps.keep_inside(&subject, false).await {
                Ok(pass) => {
                    if pass.kept_by_another {
                        tracing::debug!(cluster = %name, "kept by another release");
                    }
                    let grown = nodes_before.replace(pass.worker_nodes) != Some(pass.worker_nodes);
                    let mut objects = pass.changed;
                    // As many as nodes need: that is no repair.
                    let scaled = "Deployment kube-system/coredns";
                    objects.retain(|o| !grown || o != scaled || pass.absent.contains(o));
                    self.report(name, subject.inside.generation, objects);
                }
                Err(error) => {
                    tracing::warn!(cluster = %name, error = chain(&error), "not looked after");
                }
            }
            tokio::time::sleep(self.every).await;
        }
    }

    fn report(&self, cluster: &ClusterName, generation: Generation, objects: Vec<String>) {
        // What was decided meanwhile is a job's, and no repair.
        let same = self.steps.view.read(|s| {
            let inside = s.clusters.get(cluster).and_then(|c| c.inside.as_ref());
            inside.is_some_and(|i| i.generation == generation)
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
                    Ok(()) => Duration::ZERO,
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
        if !pending.is_empty() {
            answer(&api, subject, &pending).await?;
        }
        let since = list["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        let seconds = WATCH.as_secs();
        let path =
            format!("{all}?{select}&watch=1&resourceVersion={since}&timeoutSeconds={seconds}");
        let api = api.patient(u64::try_from(WATCH.as_millis()).unwrap_or(u64::MAX) + 10_000);
        let watch = Request { verb: Verb::First, path, body: Vec::new() };
        first(api.call(vec![watch]).await?).map(drop)
    }
}

async fn answer(api: &Api, subject: &Subject, pending: &[&Value]) -> Result<(), StepError> {
    let nodes = api.get("/api/v1/nodes").await?;
    let nodes = nodes["items"].as_array().cloned().unwrap_or_default();
    let reserved: Vec<IpAddr> = subject
        .endpoints
        .iter()
        .map(|e| e.ip())
        .chain(service_ip(&subject.cluster.service_cidr, 1))
        .collect();
    for request in pending {
        let verdict = judge(request, &nodes, &reserved);
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
            tracing::info!(cluster = %subject.name, request = title, by, ?verdict, "judged");
        }
    }
    Ok(())
}
