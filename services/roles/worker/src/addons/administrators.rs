//! What administrators of a cluster may do. Kubeconfigs name a group as kubeadm does, and a binding
//! in the cluster gives it all rights there: who manages the cluster can take it away, unlike the rights
//! of `system:masters`.

use super::api::{ClusterApi, api_at, only};
use super::object::Object;
use super::reconciler::RETRY;
use crate::place::NodeSession;
use crate::steps::{StepError, Steps};
use futures::StreamExt;
use oi_domain::ClusterPhase;
use oi_events::{ClusterName, ClusterUid, PortUse, chain};
use serde_json::json;

/// The group, and the binding.
const ADMINISTRATORS: &str = "kubeadm:cluster-admins";
/// So many clusters are asked at a time.
const AT_ONCE: usize = 16;

/// It has no label of add-ons: a cluster without any has it, too.
fn binding() -> Object {
    let group = "rbac.authorization.k8s.io";
    Object(json!({
        "apiVersion": format!("{group}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": {"name": ADMINISTRATORS},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": group, "kind": "Group", "name": ADMINISTRATORS}],
    }))
}

async fn bind(api: &ClusterApi) -> Result<(), StepError> {
    let binding = binding();
    let reply = only(api.call(binding.apply().into_iter().collect()).await?)?;
    if reply.is_success() {
        return Ok(());
    }
    let (status, message) = (reply.status, reply.message());
    Err(StepError::Object { title: binding.title(), status, message })
}

impl Steps {
    /// Gives administrators their rights, through an API server that is ready. What somebody has
    /// put into a cluster that was ready before, a webhook for example, fails nothing here.
    pub async fn bind_administrators(&self, session: &NodeSession) -> Result<(), StepError> {
        let cluster = &session.ctx.cluster;
        let address = session.ctx.address(PortUse::ApiServer)?;
        let api = api_at(session.place.clone(), address, cluster, &session.key)?;
        match bind(&api).await {
            Err(error) if cluster.phase == ClusterPhase::Ready => {
                let cluster = &session.ctx.cluster_name;
                tracing::warn!(%cluster, error = chain(&error), "administrators not bound");
                Ok(())
            }
            bound => bound,
        }
    }

    /// The same for all clusters that are there: another release may not have done it.
    pub async fn bind_all_administrators(&self) {
        let all = |s: &oi_domain::State| {
            s.clusters.iter().map(|(name, c)| (name.clone(), c.uid)).collect::<Vec<_>>()
        };
        let mut unbound = self.view.read(all);
        while !unbound.is_empty() {
            let tried = futures::stream::iter(unbound).map(|(name, uid)| async move {
                let done = self.bind_administrators_of(&name, uid).await;
                (!done).then_some((name, uid))
            });
            unbound =
                tried.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Whether nothing is left to do: it is done, or the cluster is gone.
    async fn bind_administrators_of(&self, name: &ClusterName, uid: ClusterUid) -> bool {
        let found = self.view.read(|s| s.clusters.get(name).cloned());
        let Some(cluster) = found.filter(|c| c.uid == uid) else { return true };
        if !cluster.answers() {
            return false;
        }
        let bound = async { bind(&self.api(&cluster).await?).await };
        let Err(error) = bound.await else { return true };
        tracing::debug!(cluster = %name, error = chain(&error), "administrators not bound yet");
        false
    }
}
