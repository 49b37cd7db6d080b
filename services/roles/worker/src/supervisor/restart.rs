//! Restarts of a node.

use super::Supervisor;
use super::backoff::Backoffs;
use super::expected::ReadyNode;
use crate::desired::NodeContext;
use crate::desired::etcd::{Joining, member_entry};
use crate::place::NodeSession;
use crate::steps::StepError;
use oi_events::{Observation, Role};

/// After how many restarts in a row, 15 s in all, a member will not come back by itself.
const HOPELESS: u32 = 5;

impl Supervisor {
    /// Starts everything of a node that does not run, unless a job holds the node or it backs off.
    pub(super) async fn restart(&self, node: ReadyNode, no_etcd: bool, backoffs: &mut Backoffs) {
        let Some(_held) = self.steps.node_locks.for_supervisor(node.uid, &node.name) else {
            return;
        };
        let found = self.steps.view.read(|s| NodeContext::find(s, &node.cluster, &node.name));
        let Some(ctx) = found.filter(|_| self.is_current(&node)) else { return };
        let Some(restarts) = backoffs.restart(&node.cluster, &node.name) else { return };
        if no_etcd && restarts >= HOPELESS {
            self.report_broken(&node, restarts);
        }
        let (cluster, name, hypervisor) = (&node.cluster, &node.name, ctx.node.hypervisor.clone());
        tracing::warn!(%cluster, node = %name, %hypervisor, "containers are missing: restarting");
        let restarted = tokio::select! {
            restarted = self.restart_node(ctx) => restarted,
            () = self.superseded(&node) => return,
        };
        match restarted {
            Ok(0) => {}
            Ok(count) => {
                self.metrics.restarts.with_label_values(&[hypervisor.as_str()]).inc();
                self.report_restart(&node, count);
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%cluster, node = %name, error, "not restarted");
            }
        }
    }

    /// Starts everything of a node that does not run. Returns how many containers started.
    async fn restart_node(&self, ctx: NodeContext) -> Result<usize, StepError> {
        let session = self.steps.session_of(ctx).await?;
        match session.ctx.node.role {
            Role::ControlPlane => {
                let etcd = self.restart_etcd(&session).await?;
                Ok(usize::from(etcd) + self.steps.restart_control_plane(&session).await?)
            }
            Role::ApiServer => self.steps.restart_control_plane(&session).await,
            Role::ControlPlaneIngress => self.steps.start_ingress(&session).await.map(usize::from),
        }
    }

    async fn restart_etcd(&self, session: &NodeSession) -> Result<bool, StepError> {
        let initial_cluster = member_entry(&session.ctx)?;
        let joining = Joining { initial_cluster, state: "existing" };
        self.steps.start_etcd(session, &joining).await
    }

    /// Waits until the state wants something else of the node. That is for a job, which waits for
    /// the supervisor to leave the node.
    async fn superseded(&self, node: &ReadyNode) {
        let mut positions = self.steps.view.positions();
        while self.is_current(node) && positions.changed().await.is_ok() {}
    }

    fn report_restart(&self, node: &ReadyNode, count: usize) {
        self.steps.reporter.observe_later(Observation::PodRestarted {
            cluster: node.cluster.clone(),
            node: node.name.clone(),
            generation: node.generation,
            what: format!("{count} container(s)"),
            reason: "found dead".to_owned(),
        });
    }

    /// Reports a member that must be replaced from its peers.
    fn report_broken(&self, node: &ReadyNode, restarts: u32) {
        let (cluster, name) = (node.cluster.clone(), node.name.clone());
        let reason = format!("started {restarts} times in a row, and ended each time");
        tracing::warn!(%cluster, node = %name, reason, "etcd does not keep running");
        let generation = node.generation;
        let broken = Observation::MemberBroken { cluster, node: name, generation, reason };
        self.steps.reporter.observe_later(broken);
    }
}
