//! Jobs: work that the state owes. The queue carries them; the state is what
//! makes them due.

use crate::ids::{BackupId, ClusterName, ClusterUid, Generation, HypervisorName, JobId, NodeName};
use crate::parsed::parsed;
use serde::{Deserialize, Serialize};

/// What a job is for: which part of its id names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobScope {
    /// A hypervisor.
    Hypervisor,
    /// What is left of a node that its cluster no longer has.
    Orphan,
    /// A node.
    Node,
    /// A backup.
    Backup,
    /// A cluster as a whole.
    Cluster,
}

/// Declares the kinds of jobs: `Kind = "last token of the id", scope`.
macro_rules! job_kinds {
    ($( $(#[$doc:meta])* $kind:ident = $token:literal, $scope:ident; )*) => {
        /// What a job makes true.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum JobKind { $( $(#[$doc])* $kind, )* }

        impl JobKind {
            /// All of them.
            pub const ALL: &'static [JobKind] = &[ $( JobKind::$kind, )* ];

            /// The token of the job's id that names the kind. Stored: it never changes.
            pub fn token(self) -> &'static str {
                match self { $( JobKind::$kind => $token, )* }
            }

            /// What such a job is for.
            pub fn scope(self) -> JobScope {
                match self { $( JobKind::$kind => JobScope::$scope, )* }
            }

            fn of(scope: JobScope, token: &str) -> Option<JobKind> {
                let mut all = JobKind::ALL.iter().copied();
                all.find(|kind| kind.scope() == scope && kind.token() == token)
            }
        }
    };
}

job_kinds! {
    /// The hypervisor's CRI endpoint was looked at, and is prepared.
    ProbeHypervisor = "probe", Hypervisor;
    /// The node's etcd member runs and is healthy.
    EnsureEtcd = "etcd", Node;
    /// API server, controller manager and scheduler run and are ready.
    EnsureControlPlane = "control-plane", Node;
    /// haproxy runs and the API answers through it.
    EnsureIngress = "ingress", Node;
    /// Nothing of the node is left on its hypervisor.
    RemoveNode = "remove", Node;
    /// The cluster's data key is destroyed.
    ShredKey = "shred", Cluster;
    /// The node's etcd member is no longer in the cluster.
    LeaveCluster = "leave", Node;
    /// Nothing of the node runs; its data stays.
    StopNode = "stop", Node;
    /// Nothing is left of a node that its cluster no longer has.
    RemoveOrphan = "leftover", Orphan;
    /// A snapshot of the cluster's etcd is in the backup store.
    TakeBackup = "backup", Backup;
    /// Nothing of a backup is in the store.
    DropBackup = "drop", Backup;
    /// The node's etcd data is what a backup held, or none where another node has it; after an
    /// abort, what it was before.
    RestoreEtcd = "restore", Node;
    /// The cluster's add-ons are as they are to be.
    ReconcileAddons = "configure", Cluster;
    /// A backup's data is unpacked beside that of the node's etcd.
    StageRestore = "stage", Node;
    /// The node's hypervisor has the images of the release that the cluster is upgraded to.
    PullImages = "images", Node;
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

/// What a job id says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobTarget {
    /// Work on a hypervisor.
    Hypervisor {
        /// Which one.
        name: HypervisorName,
        /// Its generation.
        generation: Generation,
        /// Which step.
        step: JobKind,
    },
    /// Work on a node.
    Node {
        /// The cluster.
        cluster: ClusterName,
        /// The node.
        node: NodeName,
        /// Its generation.
        generation: Generation,
        /// Which step.
        step: JobKind,
    },
    /// Work on what is left of a node.
    Orphan {
        /// Where.
        hypervisor: HypervisorName,
        /// Which life of its cluster.
        cluster_uid: ClusterUid,
        /// The node.
        node: NodeName,
        /// The generation that left it.
        generation: Generation,
        /// Which step.
        step: JobKind,
    },
    /// Work on a backup.
    Backup {
        /// The cluster.
        cluster: ClusterName,
        /// The backup.
        backup: BackupId,
        /// Its generation.
        generation: Generation,
        /// Which step.
        step: JobKind,
    },
    /// Work on a cluster as a whole.
    Cluster {
        /// Which one.
        name: ClusterName,
        /// Its generation.
        generation: Generation,
        /// Which step.
        step: JobKind,
    },
}

impl JobTarget {
    /// Reads a job id; none where it is not one of ours.
    pub fn parse(id: &JobId) -> Option<JobTarget> {
        let parts: Vec<&str> = id.0.split('.').collect();
        let generation = |s: &str| parsed(s).map(Generation);
        match parts.as_slice() {
            ["hypervisor", name, g, step] => Some(JobTarget::Hypervisor {
                name: parsed(name)?,
                generation: generation(g)?,
                step: JobKind::of(JobScope::Hypervisor, step)?,
            }),
            ["node", cluster, node, g, step] => Some(JobTarget::Node {
                cluster: parsed(cluster)?,
                node: parsed(node)?,
                generation: generation(g)?,
                step: JobKind::of(JobScope::Node, step)?,
            }),
            ["hypervisor", name, g, step, uid, node] => Some(JobTarget::Orphan {
                hypervisor: parsed(name)?,
                cluster_uid: parsed(uid)?,
                node: parsed(node)?,
                generation: generation(g)?,
                step: JobKind::of(JobScope::Orphan, step)?,
            }),
            ["backup", cluster, backup, g, step] => Some(JobTarget::Backup {
                cluster: parsed(cluster)?,
                backup: parsed(backup)?,
                generation: generation(g)?,
                step: JobKind::of(JobScope::Backup, step)?,
            }),
            ["cluster", name, g, step] => Some(JobTarget::Cluster {
                name: parsed(name)?,
                generation: generation(g)?,
                step: JobKind::of(JobScope::Cluster, step)?,
            }),
            _ => None,
        }
    }

    /// What it makes true.
    pub fn kind(&self) -> JobKind {
        match self {
            JobTarget::Hypervisor { step, .. }
            | JobTarget::Orphan { step, .. }
            | JobTarget::Node { step, .. }
            | JobTarget::Backup { step, .. }
            | JobTarget::Cluster { step, .. } => *step,
        }
    }

    /// The generation of what it is for.
    pub fn generation(&self) -> Generation {
        match self {
            JobTarget::Hypervisor { generation, .. }
            | JobTarget::Node { generation, .. }
            | JobTarget::Orphan { generation, .. }
            | JobTarget::Backup { generation, .. }
            | JobTarget::Cluster { generation, .. } => *generation,
        }
    }

    /// The cluster it is for, if any.
    pub fn cluster(&self) -> Option<&ClusterName> {
        match self {
            JobTarget::Hypervisor { .. } | JobTarget::Orphan { .. } => None,
            JobTarget::Backup { cluster, .. } => Some(cluster),
            JobTarget::Node { cluster, .. } => Some(cluster),
            JobTarget::Cluster { name, .. } => Some(name),
        }
    }

    /// The hypervisor that it is about, if it is about one as such.
    pub fn hypervisor(&self) -> Option<&HypervisorName> {
        match self {
            JobTarget::Hypervisor { name, .. } => Some(name),
            JobTarget::Orphan { hypervisor, .. } => Some(hypervisor),
            JobTarget::Node { .. } | JobTarget::Cluster { .. } | JobTarget::Backup { .. } => None,
        }
    }

    /// The backup that it is about, if any.
    pub fn backup(&self) -> Option<BackupId> {
        match self {
            JobTarget::Backup { backup, .. } => Some(*backup),
            _ => None,
        }
    }

    /// The id of a job: a pure function of what it is for.
    pub fn id(&self) -> JobId {
        JobId(match self {
            JobTarget::Hypervisor { name, generation, step } => {
                format!("hypervisor.{name}.{generation}.{}", step.token())
            }
            JobTarget::Node { cluster, node, generation, step } => {
                format!("node.{cluster}.{node}.{generation}.{}", step.token())
            }
            JobTarget::Orphan { hypervisor, cluster_uid, node, generation, step } => {
                let step = step.token();
                format!("hypervisor.{hypervisor}.{generation}.{step}.{cluster_uid}.{node}")
            }
            JobTarget::Backup { cluster, backup, generation, step } => {
                format!("backup.{cluster}.{backup}.{generation}.{}", step.token())
            }
            JobTarget::Cluster { name, generation, step } => {
                format!("cluster.{name}.{generation}.{}", step.token())
            }
        })
    }
}
