//! Jobs: work that the state owes. The queue carries them; the state is what
//! makes them due.

use crate::ids::{ClusterName, ClusterUid, Generation, HypervisorName, JobId, NodeName};
use serde::{Deserialize, Serialize};

/// What a job makes true.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum JobKind {
    /// The hypervisor's CRI endpoint was looked at, and is prepared.
    ProbeHypervisor,
    /// The node's etcd member runs and is healthy.
    EnsureEtcd,
    /// API server, controller manager and scheduler run and are ready.
    EnsureControlPlane,
    /// haproxy runs and the API answers through it.
    EnsureIngress,
    /// Nothing of the node is left on its hypervisor.
    RemoveNode,
    /// The cluster's data key is destroyed.
    ShredKey,
    /// The node's etcd member is no longer in the cluster.
    LeaveCluster,
    /// Nothing of the node runs; its data stays.
    StopNode,
    /// Nothing is left of a node that its cluster no longer has.
    RemoveOrphan,
    /// A snapshot of the cluster's etcd is in the backup store.
    TakeBackup,
    /// Nothing of a backup is in the store.
    DropBackup,
    /// The node's etcd data is what a backup held, or none where another node has it.
    RestoreEtcd,
    /// What is to be kept inside of the cluster is there.
    ReconcileAddons,
}

impl JobKind {
    /// The last token of the job's id.
    pub fn token(&self) -> &'static str {
        match self {
            JobKind::ProbeHypervisor => "probe",
            JobKind::EnsureEtcd => "etcd",
            JobKind::EnsureControlPlane => "control-plane",
            JobKind::EnsureIngress => "ingress",
            JobKind::RemoveNode => "remove",
            JobKind::ShredKey => "shred",
            JobKind::LeaveCluster => "leave",
            JobKind::StopNode => "stop",
            JobKind::RemoveOrphan => "leftover",
            JobKind::TakeBackup => "backup",
            JobKind::DropBackup => "drop",
            JobKind::RestoreEtcd => "restore",
            JobKind::ReconcileAddons => "configure",
        }
    }
}

/// One piece of owed work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Job {
    /// A pure function of the fields below.
    pub id: JobId,
    /// What it makes true.
    pub kind: JobKind,
    /// The hypervisor it acts on; none for work on no hypervisor.
    pub hypervisor: Option<HypervisorName>,
    /// The cluster it is for.
    pub cluster: Option<ClusterName>,
    /// Which life of that cluster.
    pub cluster_uid: Option<ClusterUid>,
    /// The node it is for.
    pub node: Option<NodeName>,
    /// The generation it serves, which is also the log position that a worker's
    /// view must have reached. A worker never acts for a lower one.
    pub generation: Generation,
}
