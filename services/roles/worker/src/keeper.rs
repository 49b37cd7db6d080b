//! Keeping true what has been made true: dead containers of ready nodes are started
//! again on the spot, without jobs and without the broker.

use crate::hypervisors::HypervisorError;
use crate::pods::Target;
use crate::pods::etcd::{self, Joining, member_entry};
use crate::pods::{control_plane, ingress, passthrough, tunnel};
use crate::steps::{Site, StepError, Steps};
use crate::worker::Worker;
use oi_cri::{CONTAINER_RUNNING, CriClient, GRACE, SANDBOX_READY, label};
use oi_domain::{Cluster, Hypervisor, Node, Reach, State};
use oi_events::{
    ClusterName, ClusterUid, Generation, HypervisorName, NodeName, Observation, Role, chain,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often everything is looked at, also without an event.
const LOOK: Duration = Duration::from_secs(5);
/// The same where there was no answer: one that is lost says nothing.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long events are gathered before a look.
const BURST: Duration = Duration::from_millis(20);
/// The same where a look takes long, for there is much to look at.
const SHORTLY: Duration = Duration::from_millis(500);
/// After how long a broken stream of events is asked for again.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// A hypervisor that does not answer for so long is reported: events make looks frequent,
/// so that their number says little.
const SILENT: Duration = Duration::from_secs(10);
/// A node that keeps dying is left alone for this long, doubled each time.
const BACK_OFF: Duration = Duration::from_millis(500);
const MOST: Duration = Duration::from_secs(60);
/// How often what is served on ports that clusters share is compared with what should be.
const COMPARE: Duration = Duration::from_secs(60);
/// A member that died again so often in a row will not come back by itself: 15 s in all.
const HOPELESS: u32 = 5;

/// Watches the hypervisors of ready nodes.
pub struct Keeper {
    worker: Worker,
    steps: Steps,
}

type NodeKey = (ClusterName, NodeName);

/// A node that is ready.
struct Kept {
    cluster: ClusterName,
    uid: ClusterUid,
    name: NodeName,
    generation: Generation,
    /// Pod and container of all that must run.
    must: BTreeSet<(&'static str, &'static str)>,
    /// The port that it shares with others, on which somebody must listen.
    shared: Option<u16>,
}

impl Kept {
    fn new(state: &State, cluster: &ClusterName, name: &NodeName, node: &Node) -> Option<Kept> {
        Some(Kept {
            cluster: cluster.clone(),
            uid: state.clusters.get(cluster)?.uid,
            name: name.clone(),
            generation: node.generation,
            must: must_run(state.clusters.get(cluster)?, name, node),
            shared: state.clusters.get(cluster)?.shared_port_of(node),
        })
    }
}

/// A container that is there.
struct There {
    id: String,
    pod: String,
    name: String,
    runs: bool,
}

/// Pod and container of all that must run of a node.
fn must_run(
    cluster: &Cluster,
    name: &NodeName,
    node: &Node,
) -> BTreeSet<(&'static str, &'static str)> {
    let own = match node.role {
        Role::ControlPlane => Some((etcd::POD, etcd::POD)),
        Role::ControlPlaneIngress => Some((ingress::POD, ingress::POD)),
        Role::ApiServer => None,
    };
    let components = node.components.iter().map(|c| (control_plane::POD, c.as_str()));
    let hub = tunnel::has_hub(node).then_some((tunnel::POD, tunnel::POD));
    let link = tunnel::has_link(cluster, name, node).then_some((control_plane::POD, tunnel::LINK));
    own.into_iter().chain(components).chain(hub).chain(link).collect()
}

/// When a node may be started again, and how often it was lately.
struct Patience {
    until: Instant,
    pause: Duration,
    times: u32,
}

impl Keeper {
    /// A keeper that reports through `worker`.
    pub fn new(worker: Worker, steps: Steps) -> Keeper {
        Keeper { worker, steps }
    }

    /// Keeps a watch on each hypervisor, until it is dropped.
    pub async fn run(&self) {
        let mut watches = tokio::task::JoinSet::new();
        let mut watched = BTreeSet::new();
        let mut positions = self.steps.view.positions();
        loop {
            let known = self.steps.view.read(|s| {
                s.hypervisors.iter().map(|(n, h)| (n.clone(), h.generation)).collect::<Vec<_>>()
            });
            for (name, generation) in known {
                if watched.insert((name.clone(), generation)) {
                    let keeper = Keeper::new(self.worker.clone(), self.steps.clone());
                    watches.spawn(async move { keeper.watch(name, generation).await });
                }
            }
            if positions.changed().await.is_err() {
                return;
            }
        }
    }

    async fn watch(&self, name: HypervisorName, generation: Generation) {
        let nudge = Notify::new();
        tokio::select! {
            () = self.tend(&name, generation, &nudge) => {}
            () = self.listen(&name, &nudge) => {}
        }
    }

    /// The hypervisor, while it is the one that was registered at `generation`.
    fn hypervisor(&self, name: &HypervisorName, generation: Generation) -> Option<Arc<Hypervisor>> {
        self.steps
            .view
            .read(|s| s.hypervisors.get(name).filter(|h| h.generation == generation).cloned())
    }

    /// Looks after each nudge, and now and then without.
    async fn tend(&self, name: &HypervisorName, generation: Generation, nudge: &Notify) {
        let mut patience = BTreeMap::new();
        let mut silent = None;
        let mut compared = Instant::now();
        while let Some(h) = self.hypervisor(name, generation) {
            let began = Instant::now();
            if h.spec.public && h.prepared && !h.is_away() && compared.elapsed() >= COMPARE {
                compared = began;
                // Another worker may have put there what it knew, and knew less.
                let passed = self.steps.pass_through(&h, None).await;
                if let Err(error) = self.steps.noted(&h, passed) {
                    tracing::debug!(hypervisor = %name, %error, "shared ports not looked at");
                }
            }
            if h.prepared {
                silent = self.note_reach(&h, silent).await;
            }
            if let Err(error) = self.look(name, &h, &mut patience).await {
                tracing::debug!(hypervisor = %name, %error, "not looked at");
            }
            let took = began.elapsed();
            let pause = if silent.is_some() { LOOK_AGAIN } else { LOOK };
            let _ = tokio::time::timeout(pause, nudge.notified()).await;
            // A burst of events is one reason to look, and looks leave time for other work.
            tokio::time::sleep((took * 4).clamp(BURST, SHORTLY)).await;
        }
    }

    /// Turns container events into nudges. Apart from the looking, because containerd
    /// answers the request for its events only with the first of them.
    async fn listen(&self, name: &HypervisorName, nudge: &Notify) {
        loop {
            let h = self.steps.view.read(|s| s.hypervisors.get(name).cloned());
            if let Some(h) = h
                && let Ok(client) = self.steps.hypervisors.client(&h)
                && let Ok(mut events) = client.events().await
            {
                nudge.notify_one();
                while let Ok(Some(_)) = events.message().await {
                    nudge.notify_one();
                }
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    /// Reports a hypervisor that has not answered for a while, or answers again. Takes and
    /// returns since when it is silent.
    async fn note_reach(&self, h: &Hypervisor, silent: Option<Instant>) -> Option<Instant> {
        let asked = Instant::now();
        let answer = match self.steps.hypervisors.client(h) {
            Ok(client) => client.version().await.map_err(HypervisorError::from),
            Err(error) => Err(error),
        };
        let name = h.spec.name.clone();
        let (silent, observation) = match (answer, &h.reach) {
            (Ok(runtime), Reach::Unreachable(_)) => {
                (None, Some(Observation::HypervisorReachable { name, runtime }))
            }
            (Ok(_), _) => (None, None),
            (Err(error), Reach::Reachable(_)) if silent.is_some_and(|s| s.elapsed() >= SILENT) => {
                let reason = chain(&error);
                (silent, Some(Observation::HypervisorUnreachable { name, reason }))
            }
            (Err(_), _) => (silent.or(Some(asked)), None),
        };
        if let Some(observation) = observation {
            self.worker.observe_later(observation);
        }
        silent
    }

    /// Compares what runs with what must, for the nodes that are ready.
    async fn look(
        &self,
        name: &HypervisorName,
        h: &Hypervisor,
        patience: &mut BTreeMap<NodeKey, Patience>,
    ) -> Result<(), StepError> {
        // Ready before and after the look, and the same: what is missing then has died, and
        // is not what a job has just made or stopped.
        let mut ready: BTreeMap<(String, String), Kept> = self.steps.view.read(|s| {
            let ready = s.nodes_on(name).filter(|(_, _, n)| n.is_ready());
            let ready = ready.filter_map(|(c, name, n)| Kept::new(s, c, name, n));
            ready.map(|kept| ((kept.uid.to_string(), kept.name.to_string()), kept)).collect()
        });
        if ready.is_empty() {
            return Ok(());
        }
        let client = self.steps.hypervisors.client(h)?;
        let mut all: BTreeMap<(String, String), Vec<There>> = BTreeMap::new();
        let mut shared: BTreeSet<u16> = BTreeSet::new();
        for container in client.containers(&BTreeMap::new()).await? {
            let labels = &container.labels;
            if labels.get(label::POD).is_some_and(|pod| pod == passthrough::POD)
                && container.state == CONTAINER_RUNNING
            {
                shared.extend(labels.get(label::PORT).and_then(|port| port.parse::<u16>().ok()));
            }
            if let (Some(uid), Some(node)) =
                (labels.get(label::CLUSTER_UID), labels.get(label::NODE))
            {
                let pod = labels.get(label::POD).cloned().unwrap_or_default();
                let name = container.metadata.map(|m| m.name).unwrap_or_default();
                let runs = container.state == CONTAINER_RUNNING;
                let there = There { id: container.id, pod, name, runs };
                all.entry((uid.clone(), node.clone())).or_default().push(there);
            }
        }
        ready.retain(|_, kept| self.stands(kept));
        if let Err(error) = self.clear(&client, &ready).await {
            tracing::debug!(hypervisor = %name, %error, "not cleared");
        }
        for (key, kept) in ready {
            let must = &kept.must;
            let (mut runs, surplus): (Vec<There>, Vec<There>) = all
                .remove(&key)
                .unwrap_or_default()
                .into_iter()
                .partition(|c| must.contains(&(c.pod.as_str(), c.name.as_str())));
            runs.retain(|c| c.runs);
            for container in surplus {
                self.end(&client, &kept, &container).await?;
            }
            let listens = kept.shared.is_none_or(|port| shared.contains(&port));
            if runs.len() >= must.len() && listens {
                // It has lived for longer than its pause: it is forgiven.
                let node = (kept.cluster, kept.name);
                if patience.get(&node).is_some_and(|p| p.until + p.pause <= Instant::now()) {
                    patience.remove(&node);
                }
            } else {
                let is_member = must.iter().any(|(pod, _)| *pod == etcd::POD);
                let no_etcd = is_member && !runs.iter().any(|r| r.pod == etcd::POD);
                self.revive(kept, no_etcd, patience).await;
            }
        }
        Ok(())
    }

    /// Removes what is no longer to run: the keeper of another worker may have brought it
    /// back in the very moment in which a job stopped it.
    async fn end(&self, client: &CriClient, kept: &Kept, surplus: &There) -> Result<(), StepError> {
        let held = self.steps.nodes.keeper(kept.uid, &kept.name);
        if held.is_some() && self.stands(kept) {
            let (cluster, node) = (&kept.cluster, &kept.name);
            tracing::warn!(%cluster, %node, container = surplus.name, "not to run: removing it");
            client.remove_container(&surplus.id, GRACE).await?;
        }
        Ok(())
    }

    /// Removes sandboxes that are not ready: a call that was cut off can leave one
    /// beside the one that is.
    async fn clear(
        &self,
        client: &CriClient,
        ready: &BTreeMap<(String, String), Kept>,
    ) -> Result<(), StepError> {
        for sandbox in client.sandboxes(&BTreeMap::new()).await? {
            let label = |label| sandbox.labels.get(label).cloned().unwrap_or_default();
            let node = (label(label::CLUSTER_UID), label(label::NODE));
            if sandbox.state != SANDBOX_READY && ready.contains_key(&node) {
                tracing::warn!(sandbox = sandbox.id, "removing a sandbox that is not ready");
                client.remove_sandbox(&sandbox.id).await?;
            }
        }
        Ok(())
    }

    async fn revive(&self, kept: Kept, no_etcd: bool, patience: &mut BTreeMap<NodeKey, Patience>) {
        let Some(_held) = self.steps.nodes.keeper(kept.uid, &kept.name) else { return };
        let target = self.steps.view.read(|s| Target::find(s, &kept.cluster, &kept.name));
        let Some(target) = target.filter(|_| self.stands(&kept)) else { return };
        let now = Instant::now();
        let node = (kept.cluster.clone(), kept.name.clone());
        let (pause, times) = match patience.get(&node) {
            Some(p) if p.until > now => return,
            Some(p) => ((p.pause * 2).min(MOST), p.times + 1),
            None => (BACK_OFF, 0),
        };
        patience.insert(node, Patience { until: now + pause, pause, times });
        if no_etcd && times >= HOPELESS {
            self.give_up(&target, times);
        }
        let (cluster, name) = (target.cluster_name.clone(), target.name.clone());
        let (generation, hypervisor) = (target.node.generation, target.node.hypervisor.clone());
        tracing::warn!(%cluster, node = %name, %hypervisor, "not all runs that must: starting it again");
        let restarted = tokio::select! {
            restarted = self.restart(target) => restarted,
            () = self.overtaken(&kept) => return,
        };
        match restarted {
            Ok(0) => {}
            Ok(count) => {
                self.worker.count_restart(hypervisor.as_str());
                let observation = Observation::PodRestarted {
                    cluster,
                    node: name,
                    generation,
                    what: format!("{count} container(s)"),
                    reason: "found dead".to_owned(),
                };
                self.worker.observe_later(observation);
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%cluster, node = %name, error, "not started again");
            }
        }
    }

    /// Whether the node is still to be as it was found to be.
    fn stands(&self, kept: &Kept) -> bool {
        self.steps.view.read(|s| {
            let cluster = s.clusters.get(&kept.cluster).filter(|c| c.uid == kept.uid);
            let node = cluster.and_then(|c| c.nodes.get(&kept.name));
            node.is_some_and(|n| n.is_ready() && n.generation == kept.generation)
        })
    }

    /// Until the node is to be another: that is for its jobs, which wait for the keeper.
    async fn overtaken(&self, kept: &Kept) {
        let mut positions = self.steps.view.positions();
        while self.stands(kept) && positions.changed().await.is_ok() {}
    }

    /// Its member needs to be replaced from its peers; that is for a decider to say.
    fn give_up(&self, target: &Target, times: u32) {
        let (cluster, node) = (target.cluster_name.clone(), target.name.clone());
        let reason = format!("started {times} times in a row, and ended each time");
        tracing::warn!(%cluster, %node, reason, "etcd does not keep running");
        let generation = target.node.generation;
        self.worker.observe_later(Observation::MemberBroken { cluster, node, generation, reason });
    }

    async fn restart(&self, target: Target) -> Result<usize, StepError> {
        let role = target.node.role;
        let h = target.hypervisor.clone();
        let site = self.steps.site_of(target).await?;
        let restarted = match role {
            Role::ControlPlane => self.restart_parts(&site).await,
            Role::ApiServer => self.steps.restart_control_plane(&site).await,
            Role::ControlPlaneIngress => self.steps.start_ingress(&site).await.map(usize::from),
        };
        self.steps.noted(&h, restarted)
    }

    async fn restart_parts(&self, site: &Site) -> Result<usize, StepError> {
        let joining = Joining { initial_cluster: member_entry(&site.target)?, state: "existing" };
        let etcd = self.steps.start_etcd(site, &joining).await?;
        Ok(usize::from(etcd) + self.steps.restart_control_plane(site).await?)
    }
}
