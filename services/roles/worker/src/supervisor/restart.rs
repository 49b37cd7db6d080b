//! Restarts of a node.

use super::backoff::Backoffs;
use super::expected::ReadyNode;
use super::{Errand, Supervisor, Watch};
use crate::desired::NodeContext;
use crate::desired::etcd::{Joining, member_entry};
use crate::locks::{NodeGuard, Part};
use crate::place::{NodeSession, Place, StartKind};
use crate::steps::StepError;
use oi_events::{Observation, Role, chain};
use std::time::Duration;

/// After how many starts in a row, each of which ended soon, a member will not come back by itself.
const HOPELESS: u32 = 5;
/// How long an API server that was restarted keeps its turn, so that not all start at a time.
const TURN: Duration = Duration::from_secs(5);
/// How long what waits for it waits.
const READY: Duration = Duration::from_secs(180);

impl Supervisor {
    /// Has everything of a node started that does not run, unless it backs off. `late` says that
    /// only what waits for the API server beside it is missing.
    pub(super) fn restart(
        &self,
        place: &Place,
        node: ReadyNode,
        late: bool,
        member_runs: bool,
        watch: &mut Watch,
    ) {
        let key = (node.uid, node.name.clone());
        let start = Errand::Start(key.clone());
        let errand = if late { Errand::Complete(key.clone()) } else { start.clone() };
        if watch.errands.runs(&errand) || watch.errands.runs(&start) {
            return;
        }
        // What waits for a job alone does not back off.
        if !node.parts.iter().any(|part| self.lock(&node, *part).is_some()) {
            return;
        }
        let Some(member_starts) = watch.backoffs.restart(&key, member_runs) else { return };
        if !member_runs && member_starts >= HOPELESS {
            self.report_broken(&node, member_starts);
        }
        let (cluster, name, hypervisor) = (&node.cluster, &node.name, &place.hypervisor.spec.name);
        tracing::warn!(%cluster, node = %name, %hypervisor, "containers are missing: restarting");
        let (supervisor, backoffs) = (self.clone(), watch.backoffs.clone());
        watch.errands.start(errand, async move {
            tokio::select! {
                restarted = supervisor.restart_node(&node, late, &backoffs) => {
                    supervisor.tell(&node, restarted);
                }
                () = supervisor.superseded(&node) => {}
            }
        });
    }

    fn tell(&self, node: &ReadyNode, restarted: Result<usize, StepError>) {
        match restarted {
            Ok(0) => {}
            Ok(count) => self.report_restart(node, count),
            Err(error) => {
                let (cluster, name, error) = (&node.cluster, &node.name, chain(&error));
                tracing::warn!(%cluster, node = %name, error, "not restarted");
            }
        }
    }

    /// Starts everything of a node that does not run: its member before what needs it. Returns how
    /// many containers started.
    async fn restart_node(
        &self,
        node: &ReadyNode,
        late: bool,
        backoffs: &Backoffs,
    ) -> Result<usize, StepError> {
        let found = self.steps.view.read(|s| NodeContext::find(s, &node.cluster, &node.name));
        let Some(ctx) = found.filter(|_| self.is_current(node)) else { return Ok(0) };
        let session = self.steps.session_of(ctx).await?;
        if node.role == Role::ControlPlaneIngress {
            let _turn = self.steps.turn(&session, StartKind::Again).await?;
            let Some(_held) = self.lock(node, Part::Rest) else { return Ok(0) };
            return self.steps.start_ingress(&session).await.map(usize::from);
        }
        let mut started = 0;
        // Turns are taken in the order in which they are asked for: members of all clusters start
        // before the first API server does.
        if node.has(Part::Member) && !late && self.restart_member(node, &session).await? {
            backoffs.member_started(&(node.uid, node.name.clone()));
            started += 1;
        }
        if node.has(Part::Rest) {
            started += self.restart_control_plane(node, &session, late).await?;
        }
        Ok(started)
    }

    async fn restart_member(
        &self,
        node: &ReadyNode,
        session: &NodeSession,
    ) -> Result<bool, StepError> {
        let _turn = self.steps.turn(session, StartKind::Again).await?;
        let Some(_held) = self.lock(node, Part::Member) else { return Ok(false) };
        let initial_cluster = member_entry(&session.ctx)?;
        let joining = Joining { initial_cluster, state: "existing" };
        self.steps.start_etcd(session, &joining).await
    }

    /// Holds no lock while it waits for the API server: it may have to wait for other machines.
    async fn restart_control_plane(
        &self,
        node: &ReadyNode,
        session: &NodeSession,
        late: bool,
    ) -> Result<usize, StepError> {
        let turn =
            if late { None } else { Some(self.steps.turn(session, StartKind::Again).await?) };
        let Some(held) = self.lock(node, Part::Rest) else { return Ok(0) };
        let Some(begun) = self.steps.begin_control_plane(session).await? else { return Ok(0) };
        drop(held);
        let patience = if late { READY } else { TURN };
        let ready = self.steps.wait_until_ready(session, patience).await;
        drop(turn);
        let count = usize::from(begun.started);
        if let Err(error) = ready {
            let (cluster, node, error) = (&node.cluster, &node.name, chain(&error));
            tracing::debug!(%cluster, %node, error, "the API server is not ready yet");
            return Ok(count);
        }
        let Some(_held) = self.lock(node, Part::Rest) else { return Ok(count) };
        Ok(count + self.steps.finish_control_plane(session, &begun).await?)
    }

    /// Locks a part of a node, unless a job holds it, or the state wants something else of it.
    fn lock(&self, node: &ReadyNode, part: Part) -> Option<NodeGuard> {
        let held = self.steps.node_locks.for_supervisor(node.uid, &node.name, &[part]);
        held.filter(|_| self.is_current(node))
    }

    /// Waits until the state wants something else of the node. That is for a job, which waits for
    /// the supervisor to leave the node.
    async fn superseded(&self, node: &ReadyNode) {
        let mut positions = self.steps.view.positions();
        while self.is_current(node) && positions.changed().await.is_ok() {}
    }

    fn report_restart(&self, node: &ReadyNode, count: usize) {
        let on = self.steps.view.read(|s| {
            let cluster = s.clusters.get(&node.cluster)?;
            cluster.nodes.get(&node.name).map(|n| n.hypervisor.clone())
        });
        if let Some(hypervisor) = on {
            self.metrics.restarts.with_label_values(&[hypervisor.as_str()]).inc();
        }
        self.steps.reporter.observe_later(Observation::PodRestarted {
            cluster: node.cluster.clone(),
            node: node.name.clone(),
            generation: node.generation,
            what: format!("{count} container(s)"),
            reason: "found dead".to_owned(),
        });
    }

    /// Reports a member that must be replaced from its peers.
    fn report_broken(&self, node: &ReadyNode, starts: u32) {
        let (cluster, name) = (node.cluster.clone(), node.name.clone());
        let reason = format!("started {starts} times in a row, and ended each time");
        tracing::warn!(%cluster, node = %name, reason, "etcd does not keep running");
        let generation = node.generation;
        let broken = Observation::MemberBroken { cluster, node: name, generation, reason };
        self.steps.reporter.observe_now(broken);
    }
}
