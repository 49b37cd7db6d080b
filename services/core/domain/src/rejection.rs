//! Why a command was refused. Each has a stable code for scripts and a message
//! that names the thing, what is wrong, and what to do.

use crate::mint::MintError;
use oi_events::{
    BackupId, ClusterName, Code, CommandId, HypervisorName, JobId, KubernetesVersion, NodeName,
    TokenId, quoted,
};

/// A rejection. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each message says it
pub enum Rejection {
    #[error("cluster {0} exists already: choose another name, or delete it first")]
    ClusterExists(ClusterName),
    #[error("cluster {0} is not known: create it first (`oi cluster list` shows what there is)")]
    ClusterUnknown(ClusterName),
    #[error(
        "cluster {0} is deleted, and its name is taken for as long as its backups are kept (`oi cluster get`): make another cluster of them (`oi cluster restore {0} --as NAME`), or give them up (`oi cluster delete {0} --keep-backups 0s`)"
    )]
    BackupsKept(ClusterName),
    #[error("cluster {0} is being deleted: wait until it is gone")]
    ClusterDeleting(ClusterName),
    #[error(
        "cluster {0} waits for its deletion: bring it back first (`oi cluster undelete`), or delete it now"
    )]
    DeletionScheduled(ClusterName),
    #[error("cluster {0} is hibernated: wake it first (`oi cluster wake`)")]
    ClusterHibernated(ClusterName),
    #[error(
        "cluster {0} is on its way to something else: wait until it is ready and no node or upgrade is on its way"
    )]
    ClusterBusy(ClusterName),
    #[error("cluster {cluster} is on its way to {to}: wait until it is there, or roll back")]
    UpgradeRunning { cluster: ClusterName, to: KubernetesVersion },
    #[error("cluster {cluster} cannot go from {from} to {to}: {problem}")]
    UpgradeImpossible {
        cluster: ClusterName,
        from: KubernetesVersion,
        to: KubernetesVersion,
        problem: &'static str,
    },
    #[error("cluster {cluster} has no backup {backup}, or it is not taken yet (`oi backup list`)")]
    BackupUnknown { cluster: ClusterName, backup: BackupId },
    #[error(
        "cluster {by} is being made of a backup of cluster {cluster}: wait until it is ready, or delete it first"
    )]
    BackupInUse { cluster: ClusterName, by: ClusterName },
    #[error(
        "cluster {0} is being restored: wait until it is ready, restore another backup, or abort it (`oi cluster restore --abort`)"
    )]
    RestoreRunning(ClusterName),
    #[error("cluster {0} is not being restored: there is nothing to abort")]
    NoRestore(ClusterName),
    #[error("cluster {0} is made of that backup and has nothing to go back to: delete it instead")]
    MadeOfBackup(ClusterName),
    #[error(
        "cluster {0} has no control-plane node on a hypervisor that answers: add one first (`oi node create`)"
    )]
    NowhereToRestore(ClusterName),
    #[error("cluster {0} has no upgrade on its way")]
    NoUpgrade(ClusterName),
    #[error(
        "cluster {0} has no rotation of its authorities on its way: start one (`oi cluster rotate-ca`)"
    )]
    NoRotation(ClusterName),
    #[error("the authorities of cluster {cluster} cannot be rotated so: {problem}")]
    RotationStep { cluster: ClusterName, problem: &'static str },
    #[error(
        "{behind} node(s) of cluster {cluster} are not there yet: wait until they are (`--wait`)"
    )]
    RotationUnfinished { cluster: ClusterName, behind: usize },
    #[error(
        "the authority that signed this certificate for cluster {0} is no longer trusted: ask for another one"
    )]
    CaRetired(ClusterName),
    #[error(
        "node {node} of cluster {cluster} cannot be replaced: {answer} of {members} etcd members answer, which is no majority; bring a hypervisor back, or restore a backup"
    )]
    QuorumLost { cluster: ClusterName, node: NodeName, answer: usize, members: usize },
    #[error(
        "on hypervisor {name} something is left of {orphans} node(s), to be removed when it is back: if it is gone for good, forget them first (`oi hypervisor forget-orphans`)"
    )]
    HypervisorHasOrphans { name: HypervisorName, orphans: usize },
    #[error(
        "hypervisor {hypervisor} still has what is left of an earlier node {node} of cluster {cluster}: wait until it is removed, choose another name or hypervisor, or clear it by hand and forget it (`oi hypervisor forget-orphans`)"
    )]
    NodeLeft { cluster: ClusterName, node: NodeName, hypervisor: HypervisorName },
    #[error("node {node} exists already in cluster {cluster}: choose another name")]
    NodeExists { cluster: ClusterName, node: NodeName },
    #[error("node {node} is not known in cluster {cluster}")]
    NodeUnknown { cluster: ClusterName, node: NodeName },
    #[error(
        "node {node} is the last control-plane node of cluster {cluster}, and its removal would lose the cluster's data: add another node first, or delete the cluster"
    )]
    LastControlPlane { cluster: ClusterName, node: NodeName },
    #[error(
        "node {node} is the last ingress of cluster {cluster}, by which all kubeconfigs and workers reach it: add another one first, or delete the cluster"
    )]
    LastIngress { cluster: ClusterName, node: NodeName },
    #[error(
        "node {node} runs the only {component} of cluster {cluster}: let another node run one first (`oi cluster scale`)"
    )]
    LastComponent { cluster: ClusterName, node: NodeName, component: &'static str },
    #[error(
        "another control-plane node of cluster {cluster} is still {what}: etcd members change one at a time, so wait until it is done"
    )]
    MembershipBusy { cluster: ClusterName, what: &'static str },
    #[error(
        "hypervisor {0} exists already with other settings: change it (`oi hypervisor update`), or register it as it was"
    )]
    HypervisorExists(HypervisorName),
    #[error(
        "hypervisor {0} is not known: register it first (`oi hypervisor list` shows what there is)"
    )]
    HypervisorUnknown(HypervisorName),
    #[error("hypervisor {0} still carries nodes: remove them first")]
    HypervisorInUse(HypervisorName),
    #[error("hypervisor {name}: {problem}")]
    HypervisorInvalid { name: HypervisorName, problem: String },
    #[error("no {kind} hypervisor can take a {role} node: {reason}")]
    NoHypervisor { kind: &'static str, role: &'static str, reason: String },
    #[error(
        "hypervisor {hypervisor} has only {free} of {needed} host ports left: widen its port range (`oi hypervisor update`), or remove nodes"
    )]
    PortsExhausted { hypervisor: HypervisorName, free: usize, needed: usize },
    #[error("{0} leads to another cluster already: choose another name or port")]
    EndpointTaken(String),
    #[error(
        "port {port} of hypervisor {hypervisor} is not for clusters to share: choose one of its range, or let an administrator share it (`oi hypervisor share`)"
    )]
    PortNotShared { hypervisor: HypervisorName, port: u16 },
    #[error(
        "cluster {by} is reached on port {port} of hypervisor {hypervisor}: give it another endpoint first (`oi cluster endpoint`)"
    )]
    PortInUse { hypervisor: HypervisorName, port: u16, by: ClusterName },
    #[error(
        "port {port} of hypervisor {hypervisor} is a node's own: choose another port, or say that something of yours leads there (`--forwarded`)"
    )]
    PortTaken { hypervisor: HypervisorName, port: u16 },
    #[error(
        "clients without a name reach another cluster on port {port} of hypervisor {hypervisor}: choose another port, or a name instead of an address"
    )]
    PortShared { hypervisor: HypervisorName, port: u16 },
    #[error("Kubernetes version {version} is not supported: use {supported}")]
    VersionUnsupported { version: KubernetesVersion, supported: String },
    #[error("{field} {} is not usable: {problem}", quoted(.value))]
    Invalid { field: &'static str, value: String, problem: String },
    /// A limit that came with level 4.
    #[error("{field} {} is not usable: {problem}", quoted(.value))]
    Limit { field: &'static str, value: String, problem: String },
    #[error("{a_field} {a} and {b_field} {b} overlap: choose ranges that are apart")]
    Overlap { a_field: &'static str, a: String, b_field: String, b: String },
    #[error(
        "cluster {0} is not kept ready for worker nodes: say what is to be kept in it first (`oi cluster addons`)"
    )]
    NotForWorkers(ClusterName),
    #[error("cluster {cluster} has no join token {token} (`oi join-token list`)")]
    TokenUnknown { cluster: ClusterName, token: TokenId },
    #[error("job {0} is not known, or already done")]
    JobUnknown(JobId),
    #[error(
        "{kind} needs level {needed}, and the log is at {level}: when all servers are of this release, run `oi feature-level raise {needed}`"
    )]
    FeatureLevelTooLow { kind: &'static str, needed: u16, level: u16 },
    #[error(
        "level {level} is not known to this release, whose newest is {newest}: upgrade all servers first"
    )]
    FeatureLevelUnknown { level: u16, newest: u16 },
    #[error("job {job} cannot be left out: {instead}")]
    JobNeeded { job: JobId, instead: &'static str },
    #[error(
        "the log is at position {actual}, not at {expected} as the command requires: look at what changed and ask again"
    )]
    PositionMoved { expected: u64, actual: u64 },
    #[error(
        "command {0} is older than the memory of processed commands: send it again under a new id"
    )]
    TooOld(CommandId),
    #[error(
        "command {0} shows a defect of oi: the server's log says more; report it, and do not send it again"
    )]
    Defect(CommandId),
    #[error("key material is not to be had: {}", oi_events::chain(.0))]
    Mint(#[from] MintError),
}

impl Rejection {
    /// The feature level with which the reason came: logs of a lower one hold what is refused for
    /// it today.
    pub(crate) fn since(&self) -> u16 {
        match self {
            Rejection::LastIngress { .. } | Rejection::Limit { .. } | Rejection::BackupsKept(_) => {
                4
            }
            Rejection::ClusterExists(_)
            | Rejection::ClusterUnknown(_)
            | Rejection::ClusterDeleting(_)
            | Rejection::DeletionScheduled(_)
            | Rejection::ClusterHibernated(_)
            | Rejection::ClusterBusy(_)
            | Rejection::UpgradeRunning { .. }
            | Rejection::UpgradeImpossible { .. }
            | Rejection::BackupUnknown { .. }
            | Rejection::BackupInUse { .. }
            | Rejection::RestoreRunning(_)
            | Rejection::NoRestore(_)
            | Rejection::MadeOfBackup(_)
            | Rejection::NowhereToRestore(_)
            | Rejection::NoUpgrade(_)
            | Rejection::NoRotation(_)
            | Rejection::RotationStep { .. }
            | Rejection::RotationUnfinished { .. }
            | Rejection::CaRetired(_)
            | Rejection::QuorumLost { .. }
            | Rejection::HypervisorHasOrphans { .. }
            | Rejection::NodeLeft { .. }
            | Rejection::NodeExists { .. }
            | Rejection::NodeUnknown { .. }
            | Rejection::LastControlPlane { .. }
            | Rejection::LastComponent { .. }
            | Rejection::MembershipBusy { .. }
            | Rejection::HypervisorExists(_)
            | Rejection::HypervisorUnknown(_)
            | Rejection::HypervisorInUse(_)
            | Rejection::HypervisorInvalid { .. }
            | Rejection::NoHypervisor { .. }
            | Rejection::PortsExhausted { .. }
            | Rejection::EndpointTaken(_)
            | Rejection::PortNotShared { .. }
            | Rejection::PortInUse { .. }
            | Rejection::PortTaken { .. }
            | Rejection::PortShared { .. }
            | Rejection::VersionUnsupported { .. }
            | Rejection::Invalid { .. }
            | Rejection::Overlap { .. }
            | Rejection::NotForWorkers(_)
            | Rejection::TokenUnknown { .. }
            | Rejection::JobUnknown(_)
            | Rejection::JobNeeded { .. }
            | Rejection::FeatureLevelTooLow { .. }
            | Rejection::FeatureLevelUnknown { .. }
            | Rejection::PositionMoved { .. }
            | Rejection::TooOld(_)
            | Rejection::Defect(_)
            | Rejection::Mint(_) => 0,
        }
    }

    /// The stable code, for programs.
    pub fn code(&self) -> Code {
        match self {
            Rejection::ClusterExists(_) => Code::ClusterExists,
            Rejection::ClusterUnknown(_) => Code::ClusterUnknown,
            Rejection::BackupsKept(_) => Code::BackupsKept,
            Rejection::ClusterDeleting(_) => Code::ClusterDeleting,
            Rejection::DeletionScheduled(_) => Code::DeletionScheduled,
            Rejection::ClusterHibernated(_) => Code::ClusterHibernated,
            Rejection::ClusterBusy(_) => Code::ClusterBusy,
            Rejection::UpgradeRunning { .. } => Code::UpgradeRunning,
            Rejection::UpgradeImpossible { .. } => Code::UpgradeImpossible,
            Rejection::BackupUnknown { .. } => Code::BackupUnknown,
            Rejection::BackupInUse { .. } => Code::BackupInUse,
            Rejection::RestoreRunning(_) => Code::RestoreRunning,
            Rejection::NoRestore(_) | Rejection::MadeOfBackup(_) => Code::NoRestore,
            Rejection::NowhereToRestore(_) => Code::NowhereToRestore,
            Rejection::NoUpgrade(_) => Code::NoUpgrade,
            Rejection::NoRotation(_) => Code::NoRotation,
            Rejection::RotationStep { .. } => Code::RotationStep,
            Rejection::RotationUnfinished { .. } => Code::RotationUnfinished,
            Rejection::CaRetired(_) => Code::CaRetired,
            Rejection::QuorumLost { .. } => Code::QuorumLost,
            Rejection::HypervisorHasOrphans { .. } | Rejection::NodeLeft { .. } => {
                Code::HypervisorHasOrphans
            }
            Rejection::NodeExists { .. } => Code::NodeExists,
            Rejection::NodeUnknown { .. } => Code::NodeUnknown,
            Rejection::LastControlPlane { .. } => Code::LastControlPlane,
            Rejection::LastComponent { .. } => Code::LastComponent,
            Rejection::LastIngress { .. } => Code::LastIngress,
            Rejection::MembershipBusy { .. } => Code::MembershipBusy,
            Rejection::HypervisorExists(_) => Code::HypervisorExists,
            Rejection::HypervisorUnknown(_) => Code::HypervisorUnknown,
            Rejection::HypervisorInUse(_) => Code::HypervisorInUse,
            Rejection::HypervisorInvalid { .. } => Code::HypervisorInvalid,
            Rejection::NoHypervisor { .. } => Code::NoHypervisor,
            Rejection::PortsExhausted { .. } => Code::PortsExhausted,
            Rejection::EndpointTaken(_) => Code::EndpointTaken,
            Rejection::PortNotShared { .. } => Code::PortNotShared,
            Rejection::PortInUse { .. } => Code::PortInUse,
            Rejection::PortTaken { .. } => Code::PortTaken,
            Rejection::PortShared { .. } => Code::PortShared,
            Rejection::VersionUnsupported { .. } => Code::VersionUnsupported,
            Rejection::Invalid { .. } | Rejection::Limit { .. } => Code::Invalid,
            Rejection::Overlap { .. } => Code::Overlap,
            Rejection::NotForWorkers(_) => Code::NotForWorkers,
            Rejection::TokenUnknown { .. } => Code::TokenUnknown,
            Rejection::JobUnknown(_) => Code::JobUnknown,
            Rejection::JobNeeded { .. } => Code::JobNeeded,
            Rejection::FeatureLevelTooLow { .. } => Code::FeatureLevelTooLow,
            Rejection::FeatureLevelUnknown { .. } => Code::FeatureLevelUnknown,
            Rejection::PositionMoved { .. } => Code::PositionMoved,
            Rejection::TooOld(_) => Code::TooOld,
            Rejection::Defect(_) => Code::Defect,
            Rejection::Mint(_) => Code::KeyMaterial,
        }
    }
}
