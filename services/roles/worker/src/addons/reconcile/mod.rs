//! One reconciliation of a cluster's add-ons.

mod changes;
mod observed;

use super::object::{Object, title};
use super::{ClusterApi, ClusterContext, objects};
use crate::steps::{StepError, Steps};
use changes::{apply, delete_unwanted, foreign};
use observed::Observed;
use oi_events::{ClusterName, ClusterUid, Generation};
use serde_json::json;

/// Identifies what [`objects`] gives for a state. Change it with each change of the objects that
/// an unchanged state gives: two releases would otherwise undo each other's objects.
const LAYOUT: &str = "1";
/// The ConfigMap, in kube-system, that records what was applied last, and in which layout.
const RECORD: &str = "oi-addons";

/// Why add-ons are reconciled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A job: they were decided upon. Only a job replaces what another release has applied.
    Job,
    /// They may have drifted.
    Drift,
}

/// What a reconciliation did.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// The decision that it carried out.
    pub generation: Generation,
    /// The number of worker nodes.
    pub worker_nodes: u64,
    /// Objects that were changed, and those of them that were absent.
    pub changed: Vec<String>,
    pub absent: Vec<String>,
    /// Another release applied this decision, or a newer decision was applied: nothing was
    /// changed.
    pub superseded: bool,
    /// An object under the name of an add-on that somebody else owns.
    pub foreign: Option<String>,
}

/// Whether a newer decision was applied than the one that this worker knows. Whoever may write into
/// the record can claim any: one that the log does not have is none, and nothing succeeds by one
/// that the log is not known to have.
fn is_newer(recorded: u64, position: u64, is_superseded: bool) -> Result<bool, StepError> {
    if is_superseded {
        return Ok(true);
    }
    if recorded > position {
        return Err(StepError::RecordAhead { recorded, position });
    }
    tracing::warn!(recorded, "the record in the cluster names no decision: it is written anew");
    Ok(false)
}

impl Steps {
    /// Reconciles the add-ons of a cluster; none where it has none, or its API cannot answer now.
    pub async fn reconcile_cluster(
        &self,
        name: &ClusterName,
        uid: ClusterUid,
        trigger: Trigger,
    ) -> Result<Option<Reconciled>, StepError> {
        // One at a time: an older one must not overwrite a newer one.
        let _held = self.addon_locks.lock(uid).await;
        let found = self.view.read(|s| ClusterContext::find(s, name));
        let Some(cluster) = found.filter(|c| c.cluster.uid == uid) else { return Ok(None) };
        let api = self.api(&cluster.cluster).await?;
        self.reconcile_objects(&api, &cluster, trigger).await.map(Some)
    }

    async fn reconcile_objects(
        &self,
        api: &ClusterApi,
        cluster: &ClusterContext,
        trigger: Trigger,
    ) -> Result<Reconciled, StepError> {
        let generation = cluster.addons.generation;
        let mut observed = Observed::read(api).await?;
        let mut done =
            Reconciled { generation, worker_nodes: observed.worker_nodes, ..Reconciled::default() };
        // Machines that leave mark their Node, which they may not delete themselves.
        api.delete(observed.left_nodes.clone()).await?;
        let of_another_release = observed.is_of_another_layout(generation);
        let is_newer = match observed.newer_than(generation) {
            None => false,
            Some(recorded) => {
                // The position comes first: a decision that is made meanwhile is seen then.
                let position = self.view.position();
                is_newer(recorded, position, self.is_superseded(cluster))?
            }
        };
        if is_newer || (of_another_release && trigger == Trigger::Drift) {
            done.superseded = true;
            return Ok(done);
        }
        // The hub learns of a peer before the machine does.
        if cluster.cluster.tunnel.is_some() {
            self.roll_out_peers(cluster, &api.nodes().await?).await?;
        }
        let mut wanted = self.wanted_objects(cluster, observed.worker_nodes).await?;
        observed.read_contents(api, &wanted).await?;
        let foreign = foreign(api, &wanted, &observed).await?;
        if self.is_superseded(cluster) {
            // The next reconciliation carries out the newer decision.
            return Ok(done);
        }
        // Deletions come first: nothing that fails later keeps a revoked token alive.
        let deleted = delete_unwanted(api, &wanted, &observed).await?;
        // A token that expires is no drift.
        done.changed.extend(deleted.into_iter().filter(|t| !t.contains("/bootstrap-token-")));
        wanted.retain(|object| !foreign.contains(&object.title()));
        let changed = apply(api, &wanted, &observed).await?;
        done.absent = changed.iter().filter(|t| !observed.has(t)).cloned().collect();
        done.changed.extend(changed);
        done.foreign = foreign.into_iter().next();
        Ok(done)
    }

    /// All objects that must be there, with the record of what they are.
    async fn wanted_objects(
        &self,
        cluster: &ClusterContext,
        worker_nodes: u64,
    ) -> Result<Vec<Object>, StepError> {
        let secrets = self.open_secrets(cluster).await?;
        let mut wanted = objects(cluster, &secrets, worker_nodes)?;
        let generation = cluster.addons.generation.to_string();
        let data = json!({"data": {"generation": generation, "layout": LAYOUT}});
        wanted.push(Object::new("v1", "ConfigMap", "kube-system", RECORD, data));
        Ok(wanted)
    }

    /// Whether another decision about the add-ons was made meanwhile.
    fn is_superseded(&self, cluster: &ClusterContext) -> bool {
        let now =
            self.view.read(|s| ClusterContext::find(s, &cluster.name).map(|c| c.addons.generation));
        now != Some(cluster.addons.generation)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_forged_record_lets_nothing_succeed_without_doing_anything() {
        let forged = u64::MAX / 2;
        let told = is_newer(forged, 100, false).unwrap_err().to_string();
        assert!(told.contains("kube-system/oi-addons"), "{told}");
        // The log has it, and it is none about add-ons.
        assert!(!is_newer(90, 100, false).unwrap());
        assert!(is_newer(90, 100, true).unwrap(), "another decision was made");
    }
}
