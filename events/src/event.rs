//! Events: what has happened. Every choice that was made on the way (ids, keys,
//! ports, places, times) is in them, so that reading never chooses again.

use crate::command::{
    Addons, Endpoint, Issuer, RegisterHypervisorV1, Role, SnapshotV1, TunnelPeer,
};
use crate::credential::Credential;
use crate::hash::Hash;
use crate::ids::{
    BackupId, ClusterName, ClusterUid, Generation, HypervisorName, JobId, KubernetesVersion,
    NodeName, TokenId,
};
use crate::record::records;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// A hypervisor is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HypervisorRegisteredV1 {
    /// As asked for.
    pub hypervisor: RegisterHypervisorV1,
    /// Its first generation.
    pub generation: Generation,
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

/// A cluster exists, without nodes yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterCreatedV1 {
    /// Its name.
    pub name: ClusterName,
    /// This life of that name.
    pub uid: ClusterUid,
    /// The release that its components run.
    pub kubernetes_version: KubernetesVersion,
    /// Addresses of pods, CIDR.
    pub pod_cidr: String,
    /// Addresses of Services, CIDR.
    pub service_cidr: String,
    /// DNS domain.
    pub dns_domain: String,
    /// More names for the API server's certificate.
    pub extra_sans: Vec<String>,
    /// Authorities, the service account key pair and the key for encryption at
    /// rest, private parts sealed.
    pub credentials: Vec<Credential>,
}

/// A cluster is going away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDeletionStartedV1 {
    /// Which one.
    pub name: ClusterName,
    /// Names the work that the deletion owes.
    pub generation: Generation,
}

/// The same, with a choice for what stands on hypervisors that are away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDeletionStartedV2 {
    /// Which one.
    pub name: ClusterName,
    /// Names the work that the deletion owes.
    pub generation: Generation,
    /// What is left on hypervisors that are away is forgotten.
    pub forget_orphans: bool,
}

impl From<ClusterDeletionStartedV1> for ClusterDeletionStartedV2 {
    fn from(old: ClusterDeletionStartedV1) -> Self {
        let ClusterDeletionStartedV1 { name, generation } = old;
        ClusterDeletionStartedV2 { name, generation, forget_orphans: false }
    }
}

/// Nothing is left of a cluster; its data key is destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDeletedV1 {
    /// Which one.
    pub name: ClusterName,
    /// Which life of that name.
    pub uid: ClusterUid,
}

/// All that a cluster needs to answer runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterBecameReadyV1 {
    /// Which one.
    pub name: ClusterName,
}

/// What a host port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PortUse {
    /// The API server, or the ingress in front of it.
    ApiServer,
    /// etcd for its clients.
    EtcdClient,
    /// etcd for its peers.
    EtcdPeer,
    /// The hub of the tunnel to worker nodes, UDP.
    Wireguard,
}

/// A host port was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortV1 {
    /// What for.
    pub port_use: PortUse,
    /// The port on the hypervisor.
    pub port: u16,
}

/// A node has a place, ports and identities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAddedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Its name.
    pub name: NodeName,
    /// What it does.
    pub role: Role,
    /// Where it was placed.
    pub hypervisor: HypervisorName,
    /// Its first generation.
    pub generation: Generation,
    /// Host ports taken on that hypervisor.
    pub ports: Vec<PortV1>,
    /// Certificates of its components, private parts sealed.
    pub credentials: Vec<Credential>,
}

/// A node's certificate was replaced; the component reads it anew by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateReplacedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// The node's generation from here on.
    pub generation: Generation,
    /// The certificate under the name that it replaces.
    pub credential: Credential,
}

/// What must run on a node changed: its files and pods are looked at again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeChangedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// The node's generation from here on.
    pub generation: Generation,
}

/// A node is going away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRemovalStartedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub name: NodeName,
    /// Its generation from here on.
    pub generation: Generation,
}

/// Nothing is left of a node; its ports are free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRemovedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub name: NodeName,
}

/// What a job is for holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSucceededV1 {
    /// The job.
    pub job: JobId,
    /// How long it took, milliseconds.
    pub took_ms: u64,
}

/// A job did not work out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailedV1 {
    /// The job.
    pub job: JobId,
    /// How often it was tried, this time included.
    pub attempt: u32,
    /// What went wrong.
    pub message: String,
    /// When it is due again, Unix milliseconds.
    pub retry_at_ms: u64,
}

/// A job is owed again after its pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRetriedV1 {
    /// The job.
    pub job: JobId,
}

/// A job was given up by the queue; a person can retry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobDeadLetteredV1 {
    /// The job.
    pub job: JobId,
}

/// A dead part of a node was started again on the spot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodRestartedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// Pod and container.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// A client certificate was issued to a user of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeconfigIssuedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// User name.
    pub common_name: String,
    /// Groups.
    pub organizations: Vec<String>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// When it ends, Unix milliseconds.
    pub not_after_ms: u64,
}

/// The same, with the authority that signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubeconfigIssuedV2 {
    /// The cluster.
    pub cluster: ClusterName,
    /// User name.
    pub common_name: String,
    /// Groups.
    pub organizations: Vec<String>,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// When it ends, Unix milliseconds.
    pub not_after_ms: u64,
    /// The fingerprint of the authority that signed it; zero where it is not known.
    pub issuer: Hash,
}

impl From<KubeconfigIssuedV1> for KubeconfigIssuedV2 {
    fn from(old: KubeconfigIssuedV1) -> Self {
        let KubeconfigIssuedV1 { cluster, common_name, organizations, serial, not_after_ms } = old;
        let issuer = Hash::ZERO;
        KubeconfigIssuedV2 { cluster, common_name, organizations, serial, not_after_ms, issuer }
    }
}

/// A new node is to take another's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReplacementStartedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node that goes.
    pub node: NodeName,
    /// The node that comes.
    pub by: NodeName,
}

/// A node is no longer its cluster's, but its hypervisor is away: what is left there
/// is owed until it is back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeOrphanedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub name: NodeName,
    /// Names the work that is owed there.
    pub generation: Generation,
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

/// All that is left on a hypervisor is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphansForgottenV1 {
    /// Which one.
    pub name: HypervisorName,
}

/// A part of a control plane that has its own version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Component {
    /// kube-apiserver.
    ApiServer,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
}

impl Component {
    /// All of them.
    pub const ALL: [Component; 3] =
        [Component::ApiServer, Component::ControllerManager, Component::Scheduler];

    /// The component's name as Kubernetes has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Component::ApiServer => "kube-apiserver",
            Component::ControllerManager => "kube-controller-manager",
            Component::Scheduler => "kube-scheduler",
        }
    }
}

/// An upgrade is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeStartedV1 {
    /// The cluster.
    pub name: ClusterName,
    /// The release that it comes from.
    pub from: KubernetesVersion,
    /// The release that it goes to.
    pub to: KubernetesVersion,
}

/// An upgrade on its way was paused, resumed or turned back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeChangedV1 {
    /// The cluster.
    pub name: ClusterName,
    /// No further component is replaced for now.
    pub paused: bool,
    /// It goes back to where it came from.
    pub back: bool,
}

/// A component of a node is to run another release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentVersionChangedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// Which component.
    pub component: Component,
    /// The release.
    pub version: KubernetesVersion,
    /// The node's generation from here on.
    pub generation: Generation,
}

/// All components of a cluster run a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeEndedV1 {
    /// The cluster.
    pub name: ClusterName,
    /// The release.
    pub version: KubernetesVersion,
}

/// A cluster is to run nothing, or to run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterHibernatedV1 {
    /// The cluster.
    pub name: ClusterName,
    /// False where it runs again.
    pub hibernated: bool,
    /// The generation of its nodes from here on.
    pub generation: Generation,
}

/// A cluster is to be deleted, or not to be deleted after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterDeletionScheduledV1 {
    /// The cluster.
    pub name: ClusterName,
    /// When, Unix milliseconds; none where it stays.
    pub at_ms: Option<u64>,
}

/// A node is to run other components than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentsChangedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// What it is to run beside its etcd member, if it has one.
    pub components: Vec<Component>,
    /// The node's generation from here on.
    pub generation: Generation,
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

/// A node's etcd member was seen not to keep running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberBrokenV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// What its end looked like.
    pub reason: String,
}

/// A backup is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupStartedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
    /// Names the work that is owed.
    pub generation: Generation,
}

/// A backup is in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupTakenV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
    /// What it is.
    pub snapshot: SnapshotV1,
}

/// A cluster is backed up again and again, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupsScheduledV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// How long after one the next begins, milliseconds; 0 for no more.
    pub every_ms: u64,
    /// How many are kept, the newest ones; 0 for all.
    pub keep: u32,
}

/// A backup is to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupExpiredV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
    /// Names the work that is owed.
    pub generation: Generation,
}

/// Nothing is left of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupDeletedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
}

/// A cluster is to be what a cluster was at a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreStartedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
    /// The life of the cluster that it is of: itself, or another one.
    pub source: ClusterUid,
    /// What it is.
    pub snapshot: SnapshotV1,
    /// The generation of the nodes from here on.
    pub generation: Generation,
}

/// A cluster runs with what a backup held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreEndedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The backup.
    pub backup: BackupId,
}

/// New authorities exist, and are to be trusted beside those that sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationStartedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The new authorities, named like those that they replace, private parts sealed.
    pub credentials: Vec<Credential>,
    /// Nodes of an older generation do not trust them yet.
    pub generation: Generation,
}

/// How far the replacement of authorities is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RotationStage {
    /// All components come to trust the old and the new ones.
    Trust,
    /// The new ones sign: all certificates of components are made anew.
    Switch,
    /// All components come to trust those only that sign.
    Retire,
}

/// The replacement of authorities is one stage further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationAdvancedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The stage that begins.
    pub stage: RotationStage,
    /// Nodes of an older generation are not there yet.
    pub generation: Generation,
}

/// All components trust those authorities only that sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationEndedV1 {
    /// The cluster.
    pub cluster: ClusterName,
}

/// From here on the log may hold what releases below this level cannot read: one that does
/// not know the level stops here, rather than misread what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureLevelRaisedV1 {
    /// The level.
    pub level: u16,
}

/// A cluster is ready for worker nodes, and these parts are kept in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddonsSetV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// What is kept.
    pub addons: Addons,
}

/// Machines can join a cluster with this token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinTokenCreatedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The part of the token that is no secret.
    pub token: TokenId,
    /// 32 random bytes, sealed, of which the secret part is made.
    pub credential: Credential,
    /// When it ends, Unix milliseconds.
    pub expires_ms: u64,
    /// What it is for, in the asker's words.
    pub description: String,
}

/// Nobody can join with this token any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinTokenEndedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Which one.
    pub token: TokenId,
    /// Its time was over; otherwise it was revoked.
    pub expired: bool,
}

/// What is kept inside of a cluster was not as it should be, and was put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftRepairedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The objects, for example `DaemonSet kube-system/kube-proxy`.
    pub objects: Vec<String>,
}

/// Worker nodes are linked to a cluster's control plane through a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelEnabledV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The generation of the nodes that are to know of it.
    pub generation: Generation,
    /// Addresses in the tunnel, CIDR.
    pub cidr: String,
    /// The hub's private key: 32 random bytes, sealed.
    pub credential: Credential,
    /// Where the hub listens, on ingresses that are there already.
    pub ports: Vec<NodePortV1>,
}

/// A host port was taken for a node that is there already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePortV1 {
    /// The node.
    pub node: NodeName,
    /// The port.
    pub port: PortV1,
}

/// Somebody may have a link to a cluster's hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelPeerAddedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Who.
    pub peer: TunnelPeer,
    /// The key that was made on a worker; none for control planes, whose keys follow from
    /// the hub's.
    pub public_key: Option<[u8; 32]>,
    /// Its address in the tunnel.
    pub address: Ipv4Addr,
}

/// Somebody may no longer have a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelPeerRemovedV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Who.
    pub peer: TunnelPeer,
}

/// Clients are told to reach a cluster's API there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSetV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The generation of its ingresses, which lead there.
    pub generation: Generation,
    /// Where; none for the oldest ingress.
    pub endpoint: Option<Endpoint>,
}

/// Clusters may share these host ports of a hypervisor, beside those of its range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortsSharedV1 {
    /// The hypervisor.
    pub name: HypervisorName,
    /// The ports, in order.
    pub ports: Vec<u16>,
}

/// These and no others are to say who a cluster's users are, beside the cluster itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationSetV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// They; empty for none.
    pub issuers: Vec<Issuer>,
}

/// A node's API server starts anew with those that say who users are, as of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationRolledOutV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
    /// Its new generation.
    pub generation: Generation,
}

records!(
    /// A fact. It cannot be refused.
    Event {
        /// See [`HypervisorRegisteredV1`].
        HypervisorRegistered = 101 [; 1 => HypervisorRegisteredV1],
        /// See [`HypervisorCordonedV1`].
        HypervisorCordoned = 102 [; 1 => HypervisorCordonedV1],
        /// See [`HypervisorObservedV1`].
        HypervisorObserved = 103 [; 1 => HypervisorObservedV1],
        /// See [`HypervisorUnregisteredV1`].
        HypervisorUnregistered = 104 [; 1 => HypervisorUnregisteredV1],
        /// See [`ClusterCreatedV1`].
        ClusterCreated = 105 [; 1 => ClusterCreatedV1],
        /// See [`ClusterDeletionStartedV2`].
        ClusterDeletionStarted = 106
            [1 => ClusterDeletionStartedV1, ; 2 => ClusterDeletionStartedV2],
        /// See [`ClusterDeletedV1`].
        ClusterDeleted = 107 [; 1 => ClusterDeletedV1],
        /// See [`ClusterBecameReadyV1`].
        ClusterBecameReady = 108 [; 1 => ClusterBecameReadyV1],
        /// See [`NodeAddedV1`].
        NodeAdded = 109 [; 1 => NodeAddedV1],
        /// See [`CertificateReplacedV1`].
        CertificateReplaced = 110 [; 1 => CertificateReplacedV1],
        /// See [`NodeChangedV1`].
        NodeChanged = 111 [; 1 => NodeChangedV1],
        /// See [`NodeRemovalStartedV1`].
        NodeRemovalStarted = 112 [; 1 => NodeRemovalStartedV1],
        /// See [`NodeRemovedV1`].
        NodeRemoved = 113 [; 1 => NodeRemovedV1],
        /// See [`JobSucceededV1`].
        JobSucceeded = 114 [; 1 => JobSucceededV1],
        /// See [`JobFailedV1`].
        JobFailed = 115 [; 1 => JobFailedV1],
        /// See [`JobRetriedV1`].
        JobRetried = 116 [; 1 => JobRetriedV1],
        /// See [`JobDeadLetteredV1`].
        JobDeadLettered = 117 [; 1 => JobDeadLetteredV1],
        /// See [`PodRestartedV1`].
        PodRestarted = 118 [; 1 => PodRestartedV1],
        /// See [`KubeconfigIssuedV2`].
        KubeconfigIssued = 119 [1 => KubeconfigIssuedV1, ; 2 => KubeconfigIssuedV2],
        /// See [`NodeReplacementStartedV1`].
        NodeReplacementStarted = 120 [; 1 => NodeReplacementStartedV1],
        /// See [`NodeOrphanedV1`].
        NodeOrphaned = 121 [; 1 => NodeOrphanedV1],
        /// See [`OrphanRemovedV1`].
        OrphanRemoved = 122 [; 1 => OrphanRemovedV1],
        /// See [`OrphansForgottenV1`].
        OrphansForgotten = 123 [; 1 => OrphansForgottenV1],
        /// See [`UpgradeStartedV1`].
        UpgradeStarted = 124 [; 1 => UpgradeStartedV1],
        /// See [`UpgradeChangedV1`].
        UpgradeChanged = 125 [; 1 => UpgradeChangedV1],
        /// See [`ComponentVersionChangedV1`].
        ComponentVersionChanged = 126 [; 1 => ComponentVersionChangedV1],
        /// See [`UpgradeEndedV1`].
        UpgradeEnded = 127 [; 1 => UpgradeEndedV1],
        /// See [`ClusterHibernatedV1`].
        ClusterHibernated = 128 [; 1 => ClusterHibernatedV1],
        /// See [`ClusterDeletionScheduledV1`].
        ClusterDeletionScheduled = 129 [; 1 => ClusterDeletionScheduledV1],
        /// See [`ComponentsChangedV1`].
        ComponentsChanged = 130 [; 1 => ComponentsChangedV1],
        /// See [`OrphanForgottenV1`].
        OrphanForgotten = 131 [; 1 => OrphanForgottenV1],
        /// See [`MemberBrokenV1`].
        MemberBroken = 132 [; 1 => MemberBrokenV1],
        /// See [`BackupStartedV1`].
        BackupStarted = 133 [; 1 => BackupStartedV1],
        /// See [`BackupTakenV1`].
        BackupTaken = 134 [; 1 => BackupTakenV1],
        /// See [`BackupsScheduledV1`].
        BackupsScheduled = 135 [; 1 => BackupsScheduledV1],
        /// See [`BackupExpiredV1`].
        BackupExpired = 136 [; 1 => BackupExpiredV1],
        /// See [`BackupDeletedV1`].
        BackupDeleted = 137 [; 1 => BackupDeletedV1],
        /// See [`RestoreStartedV1`].
        RestoreStarted = 138 [; 1 => RestoreStartedV1],
        /// See [`RestoreEndedV1`].
        RestoreEnded = 139 [; 1 => RestoreEndedV1],
        /// See [`RotationStartedV1`].
        RotationStarted = 140 [; 1 => RotationStartedV1],
        /// See [`RotationAdvancedV1`].
        RotationAdvanced = 141 [; 1 => RotationAdvancedV1],
        /// See [`RotationEndedV1`].
        RotationEnded = 142 [; 1 => RotationEndedV1],
        /// See [`FeatureLevelRaisedV1`].
        FeatureLevelRaised = 143 [; 1 => FeatureLevelRaisedV1],
        /// See [`AddonsSetV1`].
        AddonsSet = 144 [; 1 => AddonsSetV1],
        /// See [`JoinTokenCreatedV1`].
        JoinTokenCreated = 145 [; 1 => JoinTokenCreatedV1],
        /// See [`JoinTokenEndedV1`].
        JoinTokenEnded = 146 [; 1 => JoinTokenEndedV1],
        /// See [`DriftRepairedV1`].
        DriftRepaired = 147 [; 1 => DriftRepairedV1],
        /// See [`TunnelEnabledV1`].
        TunnelEnabled = 148 [; 1 => TunnelEnabledV1],
        /// See [`TunnelPeerAddedV1`].
        TunnelPeerAdded = 149 [; 1 => TunnelPeerAddedV1],
        /// See [`TunnelPeerRemovedV1`].
        TunnelPeerRemoved = 150 [; 1 => TunnelPeerRemovedV1],
        /// See [`EndpointSetV1`].
        EndpointSet = 151 [; 1 => EndpointSetV1],
        /// See [`AuthenticationSetV1`].
        AuthenticationSet = 152 [; 1 => AuthenticationSetV1],
        /// See [`PortsSharedV1`].
        PortsShared = 153 [; 1 => PortsSharedV1],
        /// See [`AuthenticationRolledOutV1`].
        AuthenticationRolledOut = 154 [; 1 => AuthenticationRolledOutV1],
    }
);
