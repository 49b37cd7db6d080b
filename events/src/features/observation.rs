//! Records of what workers see unasked.

use super::backup::SnapshotV1;
use super::hypervisor::StraysV1;
use crate::command::Command;
use crate::facts::{About, AskedBy, CommandFacts, Keys};
use crate::ids::{BackupId, ClusterName, Generation, HypervisorName, NodeName};
use crate::records;
use crate::text::shorten;
use serde::{Deserialize, Serialize};

/// What a worker saw, unasked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Observation {
    /// The CRI endpoint answers.
    HypervisorReachable {
        /// Which one.
        name: HypervisorName,
        /// Runtime name and version, for example `containerd v2.3.7`.
        runtime: String,
    },
    /// The CRI endpoint does not answer, or is none.
    HypervisorUnreachable {
        /// Which one.
        name: HypervisorName,
        /// What went wrong.
        reason: String,
    },
    /// A pod had died and was started again.
    PodRestarted {
        /// The cluster.
        cluster: ClusterName,
        /// The node.
        node: NodeName,
        /// The node's generation.
        generation: Generation,
        /// What was restarted, for example `control-plane/kube-apiserver`.
        what: String,
        /// Why.
        reason: String,
    },
    /// A node's etcd member does not keep running, however often it is started.
    MemberBroken {
        /// The cluster.
        cluster: ClusterName,
        /// The node.
        node: NodeName,
        /// The node's generation.
        generation: Generation,
        /// What its end looked like.
        reason: String,
    },
    /// A snapshot of a cluster's etcd is in the backup store. Logs hold it; since then it is
    /// the output of the job that takes it.
    BackupTaken {
        /// The cluster.
        cluster: ClusterName,
        /// The backup.
        backup: BackupId,
        /// What it is.
        snapshot: SnapshotV1,
    },
    /// What is kept inside of a cluster was not as it should be, and was put right.
    DriftRepaired {
        /// The cluster.
        cluster: ClusterName,
        /// Which state of it was put back.
        generation: Generation,
        /// The objects, for example `DaemonSet kube-system/kube-proxy`.
        objects: Vec<String>,
    },
    /// A machine that holds a join token asks for a link to its cluster's hub.
    PeerRequested {
        /// The cluster.
        cluster: ClusterName,
        /// The name that its node is to have.
        worker: String,
        /// The public key that it made.
        public_key: [u8; 32],
    },
    /// A cluster has no node any more of a worker that has a link.
    WorkerGone {
        /// The cluster.
        cluster: ClusterName,
        /// The node's name.
        worker: String,
        /// Its public key.
        public_key: [u8; 32],
    },
    /// Something stands on a hypervisor and belongs to nobody, or no longer does.
    StraysSeen {
        /// The hypervisor.
        name: HypervisorName,
        /// Which life of it.
        generation: Generation,
        /// All that stands there and belongs to nobody.
        strays: StraysV1,
    },
    /// Which objects of a cluster without a tunnel name Services: API servers cannot call those.
    TunnelNeeded {
        /// The cluster.
        cluster: ClusterName,
        /// The objects, for example `APIService v1beta1.metrics.k8s.io`.
        objects: Vec<String>,
    },
}

/// So many objects that need a tunnel are recorded of a cluster.
pub const TUNNEL_NEEDED_OBJECTS: usize = 20;

/// So many objects of one repair are recorded.
pub const REPAIRED_OBJECTS: usize = 100;
/// So many pods, directories and ports that belong to nobody are recorded of each.
const STRAYS: usize = 100;

impl Observation {
    /// The same with texts that a record can keep. Names are as they are: a shorter one would be
    /// another's.
    #[must_use]
    pub fn shortened(self) -> Observation {
        match self {
            Observation::HypervisorReachable { name, runtime } => {
                Observation::HypervisorReachable { name, runtime: shorten(runtime) }
            }
            Observation::HypervisorUnreachable { name, reason } => {
                Observation::HypervisorUnreachable { name, reason: shorten(reason) }
            }
            Observation::PodRestarted { cluster, node, generation, what, reason } => {
                let (what, reason) = (shorten(what), shorten(reason));
                Observation::PodRestarted { cluster, node, generation, what, reason }
            }
            Observation::MemberBroken { cluster, node, generation, reason } => {
                Observation::MemberBroken { cluster, node, generation, reason: shorten(reason) }
            }
            Observation::DriftRepaired { cluster, generation, objects } => {
                let objects = objects.into_iter().take(REPAIRED_OBJECTS).map(shorten).collect();
                Observation::DriftRepaired { cluster, generation, objects }
            }
            Observation::StraysSeen { name, generation, strays } => {
                let few = |all: Vec<String>| all.into_iter().take(STRAYS).map(shorten).collect();
                let (pods, directories) = (few(strays.pods), few(strays.directories));
                let ports = strays.ports.into_iter().take(STRAYS).collect();
                let strays = StraysV1 { pods, directories, ports };
                Observation::StraysSeen { name, generation, strays }
            }
            Observation::TunnelNeeded { cluster, objects } => {
                let objects = objects.into_iter().take(TUNNEL_NEEDED_OBJECTS).map(shorten);
                Observation::TunnelNeeded { cluster, objects: objects.collect() }
            }
            Observation::BackupTaken { .. }
            | Observation::PeerRequested { .. }
            | Observation::WorkerGone { .. } => self,
        }
    }

    /// What was looked at.
    pub fn about(&self) -> About {
        match self {
            Observation::HypervisorReachable { name, .. }
            | Observation::HypervisorUnreachable { name, .. }
            | Observation::StraysSeen { name, .. } => About::hypervisor(name),
            Observation::PodRestarted { cluster, node, .. }
            | Observation::MemberBroken { cluster, node, .. } => About::node(cluster, node),
            Observation::BackupTaken { cluster, .. }
            | Observation::DriftRepaired { cluster, .. }
            | Observation::PeerRequested { cluster, .. }
            | Observation::WorkerGone { cluster, .. }
            | Observation::TunnelNeeded { cluster, .. } => About::cluster(cluster),
        }
    }

    /// The feature level at which servers read it.
    pub fn level(&self) -> u16 {
        match self {
            Observation::HypervisorReachable { .. }
            | Observation::HypervisorUnreachable { .. }
            | Observation::PodRestarted { .. }
            | Observation::MemberBroken { .. }
            | Observation::BackupTaken { .. } => 1,
            Observation::DriftRepaired { .. }
            | Observation::PeerRequested { .. }
            | Observation::WorkerGone { .. } => 3,
            Observation::StraysSeen { .. } => 4,
            Observation::TunnelNeeded { .. } => 4,
        }
    }
}

/// A worker tells what it saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportObservationV1 {
    /// What.
    pub observation: Observation,
}

records! {
    /// Requests about what workers see unasked.
    ObservationCommand in Command::Observation, CommandFacts {
        ReportObservation(c) = 8 [; 1 => ReportObservationV1] {
            about: c.observation.about(),
            level: c.observation.level(),
            asked_by: AskedBy::Oi,
            adds_work: false,
            keys: Keys::None,
        },
    }
}
