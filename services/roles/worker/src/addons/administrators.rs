//! What administrators of a cluster may do. Kubeconfigs name a group as kubeadm does, and a binding
//! in the cluster gives it all rights there. It is made once: who manages the cluster can take it away, unlike
//! the rights of `system:masters`.

use super::api::{ClusterApi, accepted, api_at, only};
use super::object::Object;
use super::reconciler::RETRY;
use crate::place::{NodeSession, Request};
use crate::steps::{StepError, Steps};
use futures::StreamExt;
use oi_domain::ClusterPhase;
use oi_events::{ClusterName, ClusterUid, PortUse, chain};
use serde_json::json;

/// The group, and the binding.
const ADMINISTRATORS: &str = "kubeadm:cluster-admins";
/// The ConfigMap that records in the cluster that it was bound: a backup brings back both, or neither.
const RECORD: &str = "oi-administrators";
const BOUND: &str = "bound";
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

fn record() -> Object {
    Object(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": RECORD, "namespace": "kube-system"},
        "data": {ADMINISTRATORS.replace(':', "."): BOUND},
    }))
}

async fn is_bound(api: &ClusterApi) -> Result<bool, StepError> {
    let record = record();
    let reply = only(api.call(record.path().map(Request::get).into_iter().collect()).await?)?;
    if reply.status == 404 {
        return Ok(false);
    }
    Ok(reply.object()?["data"] == record.0["data"])
}

/// Binds them, unless that was done before: whoever deletes the binding takes the rights away for
/// good.
async fn bind_once(api: &ClusterApi) -> Result<(), StepError> {
    if is_bound(api).await? {
        return Ok(());
    }
    // In this order: one that is cut off in between is done again.
    for object in [binding(), record()] {
        let reply = only(api.call(object.apply().into_iter().collect()).await?)?;
        accepted(&object, &reply)?;
    }
    Ok(())
}

impl Steps {
    /// Gives administrators of a new cluster their rights, through an API server that is ready.
    /// What a backup has brought into it, a webhook for example, fails nothing here.
    pub async fn bind_administrators(&self, session: &NodeSession) -> Result<(), StepError> {
        let cluster = &session.ctx.cluster;
        if cluster.phase != ClusterPhase::Creating {
            return Ok(());
        }
        let address = session.ctx.address(PortUse::ApiServer)?;
        let api = api_at(session.place.clone(), address, cluster, &session.key)?;
        match bind_once(&api).await {
            Err(error) if cluster.is_of_backup() => {
                let cluster = &session.ctx.cluster_name;
                tracing::warn!(%cluster, error = chain(&error), "administrators not bound");
                Ok(())
            }
            bound => bound,
        }
    }

    /// The same for clusters that an earlier release made, which did not do it.
    pub async fn bind_all_administrators(&self) {
        let all = |s: &oi_domain::State| {
            // Those that were made at a level that only this release knows are bound as they are made.
            let earlier = s.clusters.iter().filter(|(_, c)| !c.named_peers);
            earlier.map(|(name, c)| (name.clone(), c.uid)).collect::<Vec<_>>()
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
        let bound = async { bind_once(&self.api(&cluster).await?).await };
        let Err(error) = bound.await else { return true };
        tracing::debug!(cluster = %name, error = chain(&error), "administrators not bound yet");
        false
    }
}
