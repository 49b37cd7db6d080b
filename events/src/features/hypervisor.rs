//! Records of hypervisors.

use crate::command::Command;
use crate::event::Event;
use crate::facts::{About, AskedBy, CommandFacts, Effect, EventFacts, Keys, Restarts};
use crate::ids::{ClusterUid, Generation, HypervisorName, NodeName};
use crate::records;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Names of files, on the worker's machine, for mutual TLS with a CRI endpoint.
/// Only names: key material never enters a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFiles {
    /// PEM file of the authority that signed the endpoint's certificate.
    pub ca_file: String,
    /// PEM file of the client certificate.
    pub certificate_file: String,
    /// PEM file of the client key.
    pub key_file: String,
}

/// Asks that a machine with a CRI socket be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterHypervisorV1 {
    /// Its name.
    pub name: HypervisorName,
    /// `unix:///path` or `tcp://host:port`.
    pub cri_endpoint: String,
    /// Mutual TLS, for a `tcp://` endpoint.
    pub tls: Option<TlsFiles>,
    /// Public ones carry ingresses, private ones control planes.
    pub public: bool,
    /// Where others reach the host ports of its pods.
    pub address: IpAddr,
    /// First host port that may be used.
    pub port_low: u16,
    /// Last host port that may be used.
    pub port_high: u16,
    /// Directory on the hypervisor for files and etcd data.
    pub data_dir: String,
    /// How many nodes it may carry; none for no limit.
    pub max_nodes: Option<u32>,
}

/// Asks that a hypervisor be what is said here, without a change to the nodes that it carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateHypervisorV1 {
    /// All of it, under its name.
    pub hypervisor: RegisterHypervisorV1,
}

/// Asks that no new node be placed on a hypervisor, or that it be used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CordonHypervisorV1 {
    /// Which one.
    pub name: HypervisorName,
    /// False to use it again.
    pub cordoned: bool,
}

/// Asks that clusters may share these host ports of a hypervisor, beside those of its range, and
/// no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharePortsV1 {
    /// The hypervisor.
    pub name: HypervisorName,
    /// The ports, each once, in order.
    pub ports: Vec<u16>,
}

/// Asks that a hypervisor without nodes be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnregisterHypervisorV1 {
    /// Which one.
    pub name: HypervisorName,
}

/// Asks that what is left on a hypervisor that is gone for good be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetOrphansV1 {
    /// Which one.
    pub name: HypervisorName,
}

/// A hypervisor is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HypervisorRegisteredV1 {
    /// As asked for.
    pub hypervisor: RegisterHypervisorV1,
    /// Its first generation.
    pub generation: Generation,
}

/// A hypervisor is another from here on; the nodes that it carries are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HypervisorUpdatedV1 {
    /// All of it.
    pub hypervisor: RegisterHypervisorV1,
    /// Its generation, where it must be looked at again: another way leads to it.
    pub generation: Option<Generation>,
}

/// A hypervisor takes new nodes, or no longer does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HypervisorCordonedV1 {
    /// Which one.
    pub name: HypervisorName,
    /// False where it takes nodes again.
    pub cordoned: bool,
}

/// A hypervisor's CRI endpoint was seen to answer, or not to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HypervisorObservedV1 {
    /// Which one.
    pub name: HypervisorName,
    /// Whether it answers.
    pub reachable: bool,
    /// Runtime and version where it answers, otherwise what went wrong.
    pub detail: String,
}

/// A hypervisor is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HypervisorUnregisteredV1 {
    /// Which one.
    pub name: HypervisorName,
}

/// Clusters may share these host ports of a hypervisor, beside those of its range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortsSharedV1 {
    /// The hypervisor.
    pub name: HypervisorName,
    /// The ports, in order.
    pub ports: Vec<u16>,
}

/// What was left on a hypervisor is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanRemovedV1 {
    /// The hypervisor.
    pub hypervisor: HypervisorName,
    /// Which life of the cluster that it was of.
    pub cluster_uid: ClusterUid,
    /// The node that it was of.
    pub node: NodeName,
}

/// What is left on a hypervisor of a node is forgotten: nobody clears it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanForgottenV1 {
    /// The hypervisor.
    pub hypervisor: HypervisorName,
    /// Which life of the cluster that it was of.
    pub cluster_uid: ClusterUid,
    /// The node that it was of.
    pub node: NodeName,
}

/// All that is left on a hypervisor is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphansForgottenV1 {
    /// Which one.
    pub name: HypervisorName,
}

/// What stands on a hypervisor and belongs to no node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StraysV1 {
    /// Pods, as `CLUSTER-UID/NODE/POD`, in order.
    pub pods: Vec<String>,
    /// Directories below that of the clusters, in order.
    pub directories: Vec<String>,
    /// Ports of its range on which something else listens, in order.
    pub ports: Vec<u16>,
}

/// What stands on a hypervisor and belongs to nobody is something else than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StraysSeenV1 {
    /// The hypervisor.
    pub name: HypervisorName,
    /// All that stands there and belongs to nobody.
    pub strays: StraysV1,
}

records! {
    /// Requests about hypervisors.
    HypervisorCommand in Command::Hypervisor, CommandFacts {
        RegisterHypervisor(c) = 1 [; 1 => RegisterHypervisorV1] {
            about: About::hypervisor(&c.name),
            level: 1,
            asked_by: AskedBy::Admin,
            adds_work: true,
            keys: Keys::None,
        },
        UpdateHypervisor(c) = 61 [; 1 => UpdateHypervisorV1] {
            about: About::hypervisor(&c.hypervisor.name),
            level: 4,
            asked_by: AskedBy::Admin,
            adds_work: false,
            keys: Keys::None,
        },
        CordonHypervisor(c) = 2 [; 1 => CordonHypervisorV1] {
            about: About::hypervisor(&c.name),
            level: 1,
            asked_by: AskedBy::Admin,
            adds_work: false,
            keys: Keys::None,
        },
        SharePorts(c) = 35 [; 1 => SharePortsV1] {
            about: About::hypervisor(&c.name),
            level: 3,
            asked_by: AskedBy::Admin,
            adds_work: false,
            keys: Keys::None,
        },
        UnregisterHypervisor(c) = 11 [; 1 => UnregisterHypervisorV1] {
            about: About::hypervisor(&c.name),
            level: 1,
            asked_by: AskedBy::Admin,
            adds_work: false,
            keys: Keys::None,
        },
        ForgetOrphans(c) = 18 [; 1 => ForgetOrphansV1] {
            about: About::hypervisor(&c.name),
            level: 1,
            asked_by: AskedBy::Admin,
            adds_work: false,
            keys: Keys::None,
        },
    }
}

records! {
    /// Facts about hypervisors.
    HypervisorEvent in Event::Hypervisor, EventFacts<'_> {
        HypervisorRegistered(e) = 101 [; 1 => HypervisorRegisteredV1] {
            about: About::hypervisor(&e.hypervisor.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        HypervisorUpdated(e) = 181 [; 1 => HypervisorUpdatedV1] {
            about: About::hypervisor(&e.hypervisor.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        HypervisorCordoned(e) = 102 [; 1 => HypervisorCordonedV1] {
            about: About::hypervisor(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        HypervisorObserved(e) = 103 [; 1 => HypervisorObservedV1] {
            about: About::hypervisor(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        HypervisorUnregistered(e) = 104 [; 1 => HypervisorUnregisteredV1] {
            about: About::hypervisor(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        PortsShared(e) = 153 [; 1 => PortsSharedV1] {
            about: About::hypervisor(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        OrphanRemoved(e) = 122 [; 1 => OrphanRemovedV1] {
            about: About::hypervisor(&e.hypervisor),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        OrphanForgotten(e) = 131 [; 1 => OrphanForgottenV1] {
            about: About::hypervisor(&e.hypervisor),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        StraysSeen(e) = 190 [; 1 => StraysSeenV1] {
            about: About::hypervisor(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
        OrphansForgotten(e) = 123 [; 1 => OrphansForgottenV1] {
            about: About::hypervisor(&e.name),
            effect: Effect::Nothing,
            restarts: Restarts::Nothing,
            credentials: &[],
        },
    }
}
