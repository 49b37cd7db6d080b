//! What stands on a hypervisor and belongs to nobody: of a node that is gone, of an earlier one of
//! its name, or of the time before its node stopped.

use super::Supervisor;
use crate::desired::{etcd, label};
use crate::locks::Part;
use crate::place::{ListedSandbox, Place};
use crate::steps::StepError;
use oi_domain::State;
use oi_events::{ClusterUid, Generation, HypervisorName, NodeName, chain};

/// Which node a sandbox is of.
pub struct Owner {
    pub uid: ClusterUid,
    pub node: NodeName,
    generation: u64,
    /// The pod that the sandbox is of.
    pod: String,
}

/// Why a sandbox must not stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dead {
    /// Its cluster is gone, and no other will have its uid.
    Cluster,
    /// Its node is gone.
    Node,
    /// Its node was added again since.
    Earlier,
    /// Its node has stopped since, or the work that it did is not wanted any more.
    Stopped,
}

impl Owner {
    /// None where the sandbox is of no node.
    pub fn of(sandbox: &ListedSandbox) -> Option<Owner> {
        let label = |name: &str| sandbox.labels.get(name);
        let uid = label(label::CLUSTER_UID)?.parse();
        let node = label(label::NODE)?.parse();
        let generation = label(label::GENERATION)?.parse();
        let pod = label(label::POD).cloned().unwrap_or_default();
        match (uid, node, generation) {
            (Ok(uid), Ok(node), Ok(generation)) => Some(Owner { uid, node, generation, pod }),
            _ => None,
        }
    }

    /// Why it must not stand on this hypervisor; none where it may, or where that is not known:
    /// it is of a later state than this one, or of another log.
    fn dead(&self, state: &State, hypervisor: &HypervisorName) -> Option<Dead> {
        if self.generation > state.position {
            return None;
        }
        if self.is_known(state, hypervisor) {
            return self.has_stopped(state, hypervisor).then_some(Dead::Stopped);
        }
        let cluster = state.cluster_of(self.uid);
        let here = cluster.and_then(|c| c.nodes.get(&self.node));
        if here.is_some_and(|n| n.hypervisor == *hypervisor) {
            return Some(Dead::Earlier);
        }
        match cluster {
            Some(_) => Some(Dead::Node),
            None => state.deleted.has(self.uid).then_some(Dead::Cluster),
        }
    }

    /// Whether it is of an earlier generation of a node that runs nothing now, or is a restore that
    /// an earlier generation of its node had begun.
    fn has_stopped(&self, state: &State, hypervisor: &HypervisorName) -> bool {
        let Some(cluster) = state.cluster_of(self.uid) else { return false };
        let node = cluster.nodes.get(&self.node).filter(|n| n.hypervisor == *hypervisor);
        node.is_some_and(|n| self.generation < n.generation.0)
            && (self.pod == etcd::RESTORE || cluster.is_at_rest(&self.node))
    }

    /// Whether the state knows the present life of its node, or owes its removal.
    pub fn is_known(&self, state: &State, hypervisor: &HypervisorName) -> bool {
        let node = state.cluster_of(self.uid).and_then(|c| c.nodes.get(&self.node));
        // It may stand at another endpoint of the same machine.
        node.is_some_and(|n| self.generation >= n.added.0)
            || node.is_none_or(|n| n.hypervisor != *hypervisor)
                && is_orphan(state, hypervisor, self.uid, &self.node)
    }
}

/// Whether what is left of a node is to be removed by a job.
pub fn is_orphan(
    state: &State,
    hypervisor: &HypervisorName,
    uid: ClusterUid,
    node: &NodeName,
) -> bool {
    let known = state.hypervisors.get(hypervisor);
    known.is_some_and(|h| h.orphans_of(uid).any(|left| left.node == *node))
}

impl Supervisor {
    /// Removes them. A job that was cut off, or a worker that woke up late, can have started
    /// them after their node was removed. One that stays keeps none of the others.
    pub(super) async fn sweep(&self, place: &Place, all: &[ListedSandbox]) {
        let name = &place.hypervisor.spec.name;
        for sandbox in all {
            let Some(owner) = Owner::of(sandbox) else { continue };
            let judged = self.steps.view.read(|s| Some((owner.dead(s, name)?, s.position)));
            let Some((dead, position)) = judged else { continue };
            // A job may be about to remove it.
            let locks = &self.steps.node_locks;
            let held = locks.for_supervisor(owner.uid, &owner.node, Part::ALL);
            if held.is_none() {
                continue;
            }
            let (uid, node, id) = (owner.uid, &owner.node, &sandbox.id);
            tracing::warn!(hypervisor = %name, cluster_uid = %uid, %node, sandbox = id, ?dead, "belongs to nobody: removing it");
            match self.clear(place, sandbox, &owner, dead, Generation(position)).await {
                Ok(()) => self.metrics.orphans.with_label_values(&[name.as_str()]).inc(),
                Err(error) => {
                    tracing::warn!(hypervisor = %name, sandbox = id, error = chain(&error), "belongs to nobody, and cannot be removed");
                }
            }
        }
    }

    async fn clear(
        &self,
        place: &Place,
        sandbox: &ListedSandbox,
        owner: &Owner,
        dead: Dead,
        known: Generation,
    ) -> Result<(), StepError> {
        place.remove_sandbox(&sandbox.id).await?;
        // Meanwhile a node of that name may have been added to a cluster that is there: its
        // directory is left to the jobs of its nodes.
        if dead == Dead::Cluster {
            // What is known is as good as a decision of that moment.
            self.steps.remove_files(place, owner.uid, &owner.node, known).await?;
        }
        Ok(())
    }
}
