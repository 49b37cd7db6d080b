//! Keeps the add-ons of clusters as they must be.

use super::serving::ServingCertificates;
use super::{ClusterContext, Lookup, Trigger};
use crate::keyed_tasks::KeyedTasks;
use crate::reporter::Reporter;
use crate::steps::Steps;
use crate::tunnel::{PeerRequests, TunnelNeed};
use oi_events::{ClusterName, ClusterUid, Generation, Observation, chain};
use std::time::Duration;
use tokio::sync::Notify;

/// The pause after a failure, and while a cluster cannot be worked on.
pub const RETRY: Duration = Duration::from_secs(3);
/// How long a new Node may lack what its controllers give it: addresses for its pods.
const SETTLED: Duration = Duration::from_secs(2);
/// What grows with the number of nodes.
const SCALED: &str = "Deployment kube-system/coredns";

/// Looks after every cluster with add-ons: repairs drift, approves serving certificates of
/// kubelets, answers requests for peers of the tunnel, and tells what needs a tunnel where there
/// is none.
///
/// # Guarantees
///
/// - An add-on that was changed or deleted in a cluster is put right within the configured
///   interval. Fields and objects that others own are left alone.
/// - A repair is reported once, as an observation. A change that follows from a decision, or from
///   the number of nodes, is no repair.
/// - It needs neither jobs nor the broker: it repairs from what the view has, and only reports
///   need the broker.
/// - It stops when the cluster is deleted, and for as long as the cluster hibernates.
///
/// # Assumptions
///
/// - A job has applied the decision before: until then, nothing has drifted.
/// - Where several workers run, each of them looks after each cluster. They agree, because
///   objects are a function of the state; the record in the cluster keeps a worker whose view
///   lags behind from undoing a newer decision.
pub struct AddonReconciler {
    steps: Steps,
    reporter: Reporter,
    every: Duration,
    /// A node has joined.
    joined: Notify,
}

impl AddonReconciler {
    /// A reconciler that looks at each cluster with this interval.
    pub fn new(steps: Steps, every: Duration) -> AddonReconciler {
        let reporter = steps.reporter.clone();
        AddonReconciler { steps, reporter, every, joined: Notify::new() }
    }

    /// Looks after all clusters, until it is dropped.
    pub async fn run(&self) {
        let bind = async {
            self.steps.bind_all_administrators().await;
            std::future::pending().await
        };
        tokio::select! {
            () = bind => {}
            () = self.look_after_all() => {}
        }
    }

    async fn look_after_all(&self) {
        let mut tasks = KeyedTasks::default();
        let mut positions = self.steps.view.positions();
        loop {
            let clusters = self.steps.view.read(|s| {
                let with_addons = s.clusters.iter().filter(|(_, c)| c.addons.is_some());
                with_addons.map(|(name, c)| (name.clone(), c.uid)).collect::<Vec<_>>()
            });
            for (name, uid) in clusters {
                let one = AddonReconciler::new(self.steps.clone(), self.every);
                tasks.start((name.clone(), uid), async move { one.look_after(&name, uid).await });
            }
            tokio::select! {
                changed = positions.changed() => if changed.is_err() { return },
                // One that has a defect is not started again at once.
                () = tasks.ended() => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// Looks after one cluster, until it is gone.
    async fn look_after(&self, name: &ClusterName, uid: ClusterUid) {
        let certificates = ServingCertificates::new(self.steps.clone());
        let requests = PeerRequests::new(self.steps.clone());
        let need = TunnelNeed::new(self.steps.clone(), self.every);
        tokio::select! {
            () = self.repair(name, uid) => {}
            () = certificates.run(name, uid, &self.joined) => {}
            () = requests.run(name, uid) => {}
            () = need.run(name, uid) => {}
        }
    }

    /// Repairs drift, once a job has applied the decision.
    async fn repair(&self, name: &ClusterName, uid: ClusterUid) {
        let mut nodes_before = None;
        loop {
            match self.steps.view.read(|s| ClusterContext::lookup(s, name, uid)) {
                Lookup::Gone => return,
                Lookup::Found(cluster) if cluster.addons.done => {}
                Lookup::Found(_) | Lookup::Unavailable => {
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            }
            self.repair_once(name, uid, &mut nodes_before).await;
            if tokio::time::timeout(self.every, self.joined.notified()).await.is_ok() {
                tokio::time::sleep(SETTLED).await;
            }
        }
    }

    async fn repair_once(
        &self,
        name: &ClusterName,
        uid: ClusterUid,
        nodes_before: &mut Option<u64>,
    ) {
        let done = match self.steps.reconcile_cluster(name, uid, Trigger::Drift).await {
            Ok(Some(done)) => done,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(cluster = %name, error = chain(&error), "add-ons not reconciled");
                return;
            }
        };
        if done.superseded {
            tracing::info!(cluster = %name, "another release applied the add-ons: left alone until the next decision");
        }
        if let Some(object) = &done.foreign {
            tracing::warn!(cluster = %name, object, "not made by oi: left alone");
        }
        let scaled = nodes_before.replace(done.worker_nodes) != Some(done.worker_nodes);
        let mut objects = done.changed;
        objects.retain(|o| !scaled || o != SCALED || done.absent.contains(o));
        self.report(name, done.generation, objects);
    }

    fn report(&self, cluster: &ClusterName, generation: Generation, objects: Vec<String>) {
        // A decision that was made meanwhile is for a job to apply, and is no repair.
        let same = self.steps.view.read(|s| {
            let addons = s.clusters.get(cluster).and_then(|c| c.addons.as_ref());
            addons.is_some_and(|addons| addons.generation == generation)
        });
        if same && !objects.is_empty() {
            tracing::info!(%cluster, ?objects, "drift repaired");
            let cluster = cluster.clone();
            self.reporter.observe_later(Observation::DriftRepaired {
                cluster,
                generation,
                objects,
            });
        }
    }
}
