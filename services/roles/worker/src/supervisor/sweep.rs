//! What stands on a hypervisor and belongs to nobody: of a node that is gone, or of an earlier
//! one of its name.

use super::Supervisor;
use crate::desired::label;
use crate::place::{ListedSandbox, Place};
use crate::steps::StepError;
use oi_domain::{Orphan, State};
use oi_events::{ClusterUid, CommandId, HypervisorName, NodeName};

/// Which node a sandbox is of.
struct Owner {
    uid: ClusterUid,
    node: NodeName,
    generation: u64,
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
}

impl Owner {
    /// None where the sandbox is of no node.
    fn of(sandbox: &ListedSandbox) -> Option<Owner> {
        let label = |name: &str| sandbox.labels.get(name);
        let uid = label(label::CLUSTER_UID)?.parse();
        let node = label(label::NODE)?.parse();
        let generation = label(label::GENERATION)?.parse();
        match (uid, node, generation) {
            (Ok(uid), Ok(node), Ok(generation)) => Some(Owner { uid, node, generation }),
            _ => None,
        }
    }

    /// Why it must not stand on this hypervisor; none where it may, or where that is not known:
    /// it is of a later state than this one, or of another log.
    fn dead(&self, state: &State, hypervisor: &HypervisorName) -> Option<Dead> {
        if self.generation > state.position {
            return None;
        }
        let cluster = state.clusters.values().find(|c| c.uid == self.uid);
        let here = cluster.and_then(|c| c.nodes.get(&self.node));
        // One that is of its node's present life may stand at another endpoint of the same machine.
        if here.is_some_and(|n| self.generation >= n.added.0) {
            return None;
        }
        if here.is_some_and(|n| n.hypervisor == *hypervisor) {
            return Some(Dead::Earlier);
        }
        let left = |l: &Orphan| l.cluster_uid == self.uid && l.node == self.node;
        let owed = state.hypervisors.get(hypervisor).is_some_and(|h| h.orphans.iter().any(left));
        // A cluster is named by the command that created it.
        let created = || state.processed.position(&CommandId(self.uid.0)).is_some();
        match cluster {
            _ if owed => None,
            Some(_) => Some(Dead::Node),
            None => created().then_some(Dead::Cluster),
        }
    }
}

impl Supervisor {
    /// Removes them. A job that was cut off, or a worker that woke up late, can have started
    /// them after their node was removed.
    pub(super) async fn sweep(&self, place: &Place, all: &[ListedSandbox]) {
        let name = &place.hypervisor.spec.name;
        for sandbox in all {
            let Some(owner) = Owner::of(sandbox) else { continue };
            let Some(dead) = self.steps.view.read(|s| owner.dead(s, name)) else { continue };
            // A job may be about to remove it.
            let locks = &self.steps.node_locks;
            let Some(_held) = locks.for_supervisor(owner.uid, &owner.node) else { continue };
            let (uid, node, sandbox) = (owner.uid, &owner.node, &sandbox.id);
            tracing::warn!(hypervisor = %name, cluster_uid = %uid, %node, sandbox, ?dead, "belongs to nobody: removing it");
            match self.clear(place, &owner, sandbox, dead).await {
                Ok(()) => self.metrics.orphans.with_label_values(&[name.as_str()]).inc(),
                // The others go all the same; this one is tried again at the next look.
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(hypervisor = %name, sandbox, error, "it is not removed");
                }
            }
        }
    }

    async fn clear(
        &self,
        place: &Place,
        owner: &Owner,
        sandbox: &str,
        dead: Dead,
    ) -> Result<(), StepError> {
        place.remove_sandbox(sandbox).await?;
        // Meanwhile a node of that name may have been added to a cluster that is there: its
        // directory is left to the jobs of its nodes.
        if dead == Dead::Cluster {
            self.steps.remove_files(place, owner.uid, &owner.node).await?;
        }
        Ok(())
    }
}
