//! What is known of hypervisors.

use oi_events::{
    ClusterName, ClusterUid, Generation, NodeName, PortUse, RegisterHypervisorV1, StraysV1,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Whether a hypervisor's CRI endpoint answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// Not looked at yet.
    Unknown,
    /// It answered; runtime and version.
    Reachable(String),
    /// It did not, or is not a CRI endpoint; why.
    Unreachable(String),
}

/// A machine that exposes a CRI socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hypervisor {
    /// As registered, or changed since.
    pub spec: RegisterHypervisorV1,
    /// The position at which it was registered, or another way came to lead to it.
    pub generation: Generation,
    /// Takes no new nodes.
    pub cordoned: bool,
    /// Whether it answers.
    pub reach: Reach,
    /// Since when it answers, or does not, Unix milliseconds.
    pub since_ms: u64,
    /// Whether the job that prepares it is done.
    pub prepared: bool,
    /// What is left on it of nodes that their clusters no longer have.
    pub orphans: Vec<Orphan>,
    /// Host ports beside those of its range that clusters may share.
    pub shared_ports: BTreeSet<u16>,
    /// What stands on it and belongs to nobody.
    pub strays: StraysV1,
}

impl Hypervisor {
    /// One that was just registered.
    pub fn registered(spec: RegisterHypervisorV1, generation: Generation, time_ms: u64) -> Self {
        Hypervisor {
            spec,
            generation,
            cordoned: false,
            reach: Reach::Unknown,
            since_ms: time_ms,
            prepared: false,
            orphans: Vec::new(),
            shared_ports: BTreeSet::new(),
            strays: StraysV1::default(),
        }
    }

    /// Whether clusters may share a host port of it.
    pub fn may_share(&self, port: u16) -> bool {
        let range = self.spec.port_low..=self.spec.port_high;
        range.contains(&port) || self.shared_ports.contains(&port)
    }

    /// What is left on it of nodes of a cluster.
    pub fn orphans_of(&self, uid: ClusterUid) -> impl Iterator<Item = &Orphan> {
        self.orphans.iter().filter(move |left| left.cluster_uid == uid)
    }

    /// Whether it was looked at and did not answer.
    pub fn is_away(&self) -> bool {
        matches!(self.reach, Reach::Unreachable(_))
    }
}

/// What is left of a node on a hypervisor that was away when the node went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// Its cluster, which may be gone.
    pub cluster: ClusterName,
    /// Which life of that name.
    pub cluster_uid: ClusterUid,
    /// The node.
    pub node: NodeName,
    /// Host ports that may still be taken.
    pub ports: BTreeMap<PortUse, u16>,
    /// Names the work that is owed.
    pub generation: Generation,
}
