//! Commands: what may be asked.

use crate::hash::Hash;
use crate::ids::{
    BackupId, ClusterName, Generation, HypervisorName, JobId, KubernetesVersion, NodeName, TokenId,
};
use crate::record::records;
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

/// Asks that no new node be placed on a hypervisor, or that it be used again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CordonHypervisorV1 {
    /// Which one.
    pub name: HypervisorName,
    /// False to use it again.
    pub cordoned: bool,
}

/// Asks for a cluster; its nodes are asked for one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateClusterV1 {
    /// Its name.
    pub name: ClusterName,
    /// The release that its components run.
    pub kubernetes_version: KubernetesVersion,
    /// Addresses of pods, CIDR.
    pub pod_cidr: String,
    /// Addresses of Services, CIDR.
    pub service_cidr: String,
    /// The cluster's DNS domain.
    pub dns_domain: String,
    /// More names or addresses for the API server's certificate.
    pub extra_sans: Vec<String>,
}

/// Asks that a cluster and all its nodes be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteClusterV1 {
    /// Which one.
    pub name: ClusterName,
}

/// The same, with a choice for what stands on hypervisors that are away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteClusterV2 {
    /// Which one.
    pub name: ClusterName,
    /// Forget what is left on hypervisors that are away, instead of clearing it when
    /// they are back.
    pub forget_orphans: bool,
}

impl From<DeleteClusterV1> for DeleteClusterV2 {
    fn from(old: DeleteClusterV1) -> Self {
        DeleteClusterV2 { name: old.name, forget_orphans: false }
    }
}

/// What a node does for its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// etcd, API server, controller manager and scheduler.
    ControlPlane,
    /// haproxy in front of the API servers.
    ControlPlaneIngress,
    /// An API server without an etcd member of its own; where asked for, a controller
    /// manager or a scheduler beside it.
    ApiServer,
}

impl Role {
    /// The role's name in flags and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::ControlPlane => "controlplane",
            Role::ControlPlaneIngress => "controlplane-ingress",
            Role::ApiServer => "apiserver",
        }
    }
}

/// Asks for one more node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddNodeV1 {
    /// The cluster it is for.
    pub cluster: ClusterName,
    /// Its name in the cluster.
    pub name: NodeName,
    /// What it does.
    pub role: Role,
    /// Where to put it; none to let placement choose.
    pub hypervisor: Option<HypervisorName>,
}

/// Asks that a node be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveNodeV1 {
    /// The cluster it is in.
    pub cluster: ClusterName,
    /// Which one.
    pub name: NodeName,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobResult {
    /// What it is for holds now.
    Succeeded,
    /// It did not work out; it is tried again after a pause.
    Failed(String),
    /// It was delivered too often without any outcome.
    DeadLettered,
}

/// A worker tells how a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportJobV1 {
    /// The job.
    pub job: JobId,
    /// The outcome.
    pub result: JobResult,
    /// How long it took, milliseconds.
    pub took_ms: u64,
}

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
    /// A snapshot of a cluster's etcd is in the backup store.
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
}

/// Who has a link to a cluster's hub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TunnelPeer {
    /// The API server of a node.
    ControlPlane(NodeName),
    /// A worker node, by its name in the cluster.
    Worker(String),
}

/// A snapshot of etcd in the backup store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotV1 {
    /// The log position up to which the worker that took it knew the state.
    pub position: u64,
    /// Where it is in the store.
    pub object: String,
    /// Its size, before it was sealed.
    pub bytes: u64,
    /// Its SHA-256, before it was sealed.
    pub sha256: Hash,
}

/// A worker tells what it saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportObservationV1 {
    /// What.
    pub observation: Observation,
}

/// The pause after a failure is over (entered by a decider when it falls due),
/// or a person asks not to wait for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryJobV1 {
    /// The job.
    pub job: JobId,
}

/// Let releases write what older ones cannot read: all servers are new enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaiseFeatureLevelV1 {
    /// The level from here on.
    pub level: u16,
}

/// Do not do what is owed, where nothing else depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelJobV1 {
    /// The job.
    pub job: JobId,
}

/// The network of a cluster's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cni {
    /// None of ours: the cluster's users install one.
    None,
    /// flannel, with VXLAN between nodes.
    Flannel,
}

/// What is kept inside of a cluster, so that worker nodes and pods can use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addons {
    /// The network of its pods.
    pub cni: Cni,
    /// kube-proxy, which makes Services reachable.
    pub kube_proxy: bool,
    /// CoreDNS, which gives Services names.
    pub dns: bool,
}

/// Asks that a cluster be made ready for worker nodes, and that these parts be kept in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAddonsV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// What is to be kept.
    pub addons: Addons,
}

/// Asks for a token with which machines join a cluster as worker nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateJoinTokenV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// When it ends, Unix milliseconds.
    pub expires_ms: u64,
    /// What it is for, in the asker's words.
    pub description: String,
}

/// Asks that a token end, or tells that it has (entered by a decider when that falls due).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeJoinTokenV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Which one.
    pub token: TokenId,
}

/// Asks that worker nodes be linked to a cluster's control plane through a tunnel, so that
/// they may be behind NAT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnableTunnelV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Addresses in the tunnel, an IPv4 CIDR.
    pub cidr: String,
}

/// Where clients are told to reach a cluster's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// A DNS name, or an IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Something of the users' own leads from there to the ingresses. Otherwise each machine
    /// with an ingress of the cluster listens on that port, and passes TLS through by the name
    /// that is asked for: other clusters may share it.
    pub forwarded: bool,
}

/// `host:port`, as in a URL: with brackets around IPv6 addresses.
impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.parse() {
            Ok(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Asks that a cluster's API be reached under a name or address of its own, or at its oldest
/// ingress again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetEndpointV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Where; none for the oldest ingress.
    pub endpoint: Option<Endpoint>,
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

/// Who else than the cluster itself says who its users are: a JWT authenticator of the API
/// server's AuthenticationConfiguration (KEP-3331), for example an OpenID Connect provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// Its URL, as tokens have it in `iss`.
    pub url: String,
    /// Where its discovery document is, if not below `url`.
    pub discovery_url: Option<String>,
    /// PEM certificates by which it is trusted; none for the API server's own.
    pub certificate_authority: Option<String>,
    /// A token must be for one of these (`aud`).
    pub audiences: Vec<String>,
    /// Claims that a token must have, with their values.
    pub required_claims: Vec<(String, String)>,
    /// Which claim is the user's name.
    pub username: ClaimMapping,
    /// Which claim names the user's groups.
    pub groups: Option<ClaimMapping>,
}

/// A claim that becomes the name of a user or group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimMapping {
    /// The claim.
    pub claim: String,
    /// What is put in front of its value, may be empty.
    pub prefix: String,
}

/// Asks that these and no others say who a cluster's users are, beside the cluster itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAuthenticationV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// They; empty for none.
    pub issuers: Vec<Issuer>,
}

/// A client certificate was signed for a user of a cluster. Recorded before it
/// is handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordKubeconfigV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// User name.
    pub common_name: String,
    /// Groups.
    pub organizations: Vec<String>,
    /// Serial number of the certificate, hexadecimal.
    pub serial: String,
    /// When it ends, Unix milliseconds.
    pub not_after_ms: u64,
}

/// The same, with the authority that signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordKubeconfigV2 {
    /// The cluster.
    pub cluster: ClusterName,
    /// User name.
    pub common_name: String,
    /// Groups.
    pub organizations: Vec<String>,
    /// Serial number of the certificate, hexadecimal.
    pub serial: String,
    /// When it ends, Unix milliseconds.
    pub not_after_ms: u64,
    /// The fingerprint of the authority that signed it; zero where it is not known.
    pub issuer: Hash,
}

impl From<RecordKubeconfigV1> for RecordKubeconfigV2 {
    fn from(old: RecordKubeconfigV1) -> Self {
        let RecordKubeconfigV1 { cluster, common_name, organizations, serial, not_after_ms } = old;
        let issuer = Hash::ZERO;
        RecordKubeconfigV2 { cluster, common_name, organizations, serial, not_after_ms, issuer }
    }
}

/// Asks that a hypervisor without nodes be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnregisterHypervisorV1 {
    /// Which one.
    pub name: HypervisorName,
}

/// Asks that a node be replaced by a new one elsewhere: the new one first, then the
/// old one goes. Deciders enter it for nodes of a hypervisor that stays away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaceNodeV1 {
    /// The cluster it is in.
    pub cluster: ClusterName,
    /// Which one.
    pub name: NodeName,
}

/// Asks that a cluster's components run another release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpgradeClusterV1 {
    /// Which one.
    pub name: ClusterName,
    /// The release.
    pub to: KubernetesVersion,
}

/// What to do with an upgrade that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpgradeChange {
    /// No further component is replaced for now.
    Pause,
    /// It goes on.
    Resume,
    /// It goes back to the release before.
    RollBack,
}

/// Asks that an upgrade on its way be changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeUpgradeV1 {
    /// Which cluster's.
    pub name: ClusterName,
    /// How.
    pub change: UpgradeChange,
}

/// Asks that a cluster run nothing and keep its data, or run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HibernateClusterV1 {
    /// Which one.
    pub name: ClusterName,
    /// False to wake it.
    pub hibernated: bool,
}

/// Asks that a cluster stop now, and be deleted after a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleDeletionV1 {
    /// Which one.
    pub name: ClusterName,
    /// For how long it can be brought back, milliseconds.
    pub grace_ms: u64,
}

/// Asks that a cluster that waits for its deletion be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndeleteClusterV1 {
    /// Which one.
    pub name: ClusterName,
}

/// Asks that what is left on a hypervisor that is gone for good be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetOrphansV1 {
    /// Which one.
    pub name: HypervisorName,
}

/// Asks that a node's certificates be renewed that are due. Entered by deciders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewCertificatesV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
}

/// Asks for other numbers of components; etcd is not touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleClusterV1 {
    /// Which cluster.
    pub name: ClusterName,
    /// How many API servers; none to leave them as they are.
    pub api_servers: Option<u32>,
    /// How many controller managers; at most as many as API servers.
    pub controller_managers: Option<u32>,
    /// How many schedulers; at most as many as API servers.
    pub schedulers: Option<u32>,
}

/// Asks for a backup of a cluster's etcd now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupClusterV1 {
    /// Which cluster.
    pub name: ClusterName,
}

/// Asks that a cluster be backed up again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleBackupsV1 {
    /// Which cluster.
    pub name: ClusterName,
    /// How long after one the next begins, milliseconds; 0 for no more.
    pub every_ms: u64,
    /// How many are kept, the newest ones; 0 for all.
    pub keep: u32,
}

/// Asks that a backup be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteBackupV1 {
    /// The cluster.
    pub cluster: ClusterName,
    /// Which backup.
    pub backup: BackupId,
}

/// Asks that a cluster go back to what it was at a backup. What came later is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreClusterV1 {
    /// Which cluster.
    pub name: ClusterName,
    /// To which backup.
    pub backup: BackupId,
}

/// Asks for a new cluster with what another one was at a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneClusterV1 {
    /// The new cluster; its nodes are asked for one by one.
    pub name: ClusterName,
    /// The other one.
    pub source: ClusterName,
    /// Which backup of it.
    pub backup: BackupId,
}

/// A step of the replacement of a cluster's authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RotationStep {
    /// New authorities are made; all components come to trust both.
    Start,
    /// The new ones sign: all certificates of components are made anew.
    Switch,
    /// The old ones are no longer trusted.
    Finish,
    /// Before the switch: the new ones are no longer trusted, and forgotten.
    Abort,
}

/// Asks for a step of the replacement of a cluster's authorities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateCaV1 {
    /// Which cluster's.
    pub name: ClusterName,
    /// Which step.
    pub step: RotationStep,
}

records!(
    /// A request. It can be refused.
    Command {
        /// See [`RegisterHypervisorV1`].
        RegisterHypervisor = 1 [; 1 => RegisterHypervisorV1],
        /// See [`CordonHypervisorV1`].
        CordonHypervisor = 2 [; 1 => CordonHypervisorV1],
        /// See [`CreateClusterV1`].
        CreateCluster = 3 [; 1 => CreateClusterV1],
        /// See [`DeleteClusterV2`].
        DeleteCluster = 4 [1 => DeleteClusterV1, ; 2 => DeleteClusterV2],
        /// See [`AddNodeV1`].
        AddNode = 5 [; 1 => AddNodeV1],
        /// See [`RemoveNodeV1`].
        RemoveNode = 6 [; 1 => RemoveNodeV1],
        /// See [`ReportJobV1`].
        ReportJob = 7 [; 1 => ReportJobV1],
        /// See [`ReportObservationV1`].
        ReportObservation = 8 [; 1 => ReportObservationV1],
        /// See [`RetryJobV1`].
        RetryJob = 9 [; 1 => RetryJobV1],
        /// See [`RecordKubeconfigV2`].
        RecordKubeconfig = 10 [1 => RecordKubeconfigV1, ; 2 => RecordKubeconfigV2],
        /// See [`UnregisterHypervisorV1`].
        UnregisterHypervisor = 11 [; 1 => UnregisterHypervisorV1],
        /// See [`ReplaceNodeV1`].
        ReplaceNode = 12 [; 1 => ReplaceNodeV1],
        /// See [`UpgradeClusterV1`].
        UpgradeCluster = 13 [; 1 => UpgradeClusterV1],
        /// See [`ChangeUpgradeV1`].
        ChangeUpgrade = 14 [; 1 => ChangeUpgradeV1],
        /// See [`HibernateClusterV1`].
        HibernateCluster = 15 [; 1 => HibernateClusterV1],
        /// See [`ScheduleDeletionV1`].
        ScheduleDeletion = 16 [; 1 => ScheduleDeletionV1],
        /// See [`UndeleteClusterV1`].
        UndeleteCluster = 17 [; 1 => UndeleteClusterV1],
        /// See [`ForgetOrphansV1`].
        ForgetOrphans = 18 [; 1 => ForgetOrphansV1],
        /// See [`RenewCertificatesV1`].
        RenewCertificates = 19 [; 1 => RenewCertificatesV1],
        /// See [`ScaleClusterV1`].
        ScaleCluster = 20 [; 1 => ScaleClusterV1],
        /// See [`BackupClusterV1`].
        BackupCluster = 21 [; 1 => BackupClusterV1],
        /// See [`ScheduleBackupsV1`].
        ScheduleBackups = 22 [; 1 => ScheduleBackupsV1],
        /// See [`DeleteBackupV1`].
        DeleteBackup = 23 [; 1 => DeleteBackupV1],
        /// See [`RestoreClusterV1`].
        RestoreCluster = 24 [; 1 => RestoreClusterV1],
        /// See [`CloneClusterV1`].
        CloneCluster = 25 [; 1 => CloneClusterV1],
        /// See [`RotateCaV1`].
        RotateCa = 26 [; 1 => RotateCaV1],
        /// See [`CancelJobV1`].
        CancelJob = 27 [; 1 => CancelJobV1],
        /// See [`RaiseFeatureLevelV1`].
        RaiseFeatureLevel = 28 [; 1 => RaiseFeatureLevelV1],
        /// See [`SetAddonsV1`].
        SetAddons = 29 [; 1 => SetAddonsV1],
        /// See [`CreateJoinTokenV1`].
        CreateJoinToken = 30 [; 1 => CreateJoinTokenV1],
        /// See [`RevokeJoinTokenV1`].
        RevokeJoinToken = 31 [; 1 => RevokeJoinTokenV1],
        /// See [`EnableTunnelV1`].
        EnableTunnel = 32 [; 1 => EnableTunnelV1],
        /// See [`SetEndpointV1`].
        SetEndpoint = 33 [; 1 => SetEndpointV1],
        /// See [`SetAuthenticationV1`].
        SetAuthentication = 34 [; 1 => SetAuthenticationV1],
        /// See [`SharePortsV1`].
        SharePorts = 35 [; 1 => SharePortsV1],
    }
);
