//! The state: what the events so far amount to.

use crate::mint::Ca;
use ipnet::Ipv4Net;
use oi_events::{
    Addons, BackupId, ClusterName, ClusterUid, CommandId, Component, Credential, Endpoint,
    Generation, Hash, HypervisorName, Issuer, JobId, JobKind, KubernetesVersion, NodeName, PortUse,
    RegisterHypervisorV1, Role, RotationStage, SnapshotV1, TokenId, TunnelPeer,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Names the layout of [`State`]: snapshots of another layout are not read.
/// Change it with each change of the types in this file or of `evolve`.
pub const STATE_SCHEMA: &str = "oi-state-10";

/// How many processed command ids are remembered.
pub const PROCESSED_HORIZON: usize = 65_536;

/// Everything that is known. Equal logs give equal states.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// The log position of the last commit folded in.
    pub position: u64,
    /// The hash of that commit.
    pub head: Hash,
    /// When that commit was made, Unix milliseconds by its decider's clock.
    pub time_ms: u64,
    /// Hypervisors by name.
    pub hypervisors: BTreeMap<HypervisorName, Arc<Hypervisor>>,
    /// Clusters by name, deleted ones no longer.
    pub clusters: BTreeMap<ClusterName, Arc<Cluster>>,
    /// Jobs that have failed and are not done yet.
    pub failures: BTreeMap<JobId, JobFailure>,
    /// Commands that were decided.
    pub processed: Arc<Processed>,
    /// What releases may write, as it was raised; see [`State::level`].
    pub raised: u16,
}

impl State {
    /// The level of the log: 1 where it was never raised.
    pub fn level(&self) -> u16 {
        self.raised.max(1)
    }

    /// A digest over all of the state. Equal for a replay and the live state at
    /// the same position.
    pub fn hash(&self) -> Hash {
        // A state holds only maps, sequences, strings and integers: it encodes.
        let bytes = oi_events::to_bytes(self).unwrap_or_default();
        Hash::of(&[b"oi/state/v1", STATE_SCHEMA.as_bytes(), &bytes])
    }

    /// A copy to decide ahead on. It remembers no command, only from when on they are too
    /// old to be told apart.
    pub fn ahead(&self) -> State {
        let horizon_ms = self.processed.horizon_ms;
        let processed = Arc::new(Processed { horizon_ms, ..Processed::default() });
        State { processed, ..self.clone() }
    }

    /// Where clients are told to reach a cluster's API: as it was asked for, or at its oldest
    /// ingress. None without an ingress.
    pub fn endpoint(&self, cluster: &Cluster) -> Option<Endpoint> {
        let oldest = *self.endpoints(cluster).first()?;
        let at = |at: SocketAddr| Endpoint {
            host: at.ip().to_string(),
            port: at.port(),
            forwarded: false,
        };
        Some(cluster.endpoint.clone().unwrap_or_else(|| at(oldest)))
    }

    /// Where the ingresses of a cluster listen, the oldest first.
    pub fn endpoints(&self, cluster: &Cluster) -> Vec<SocketAddr> {
        cluster.ingresses().into_iter().filter_map(|(_, node)| self.endpoint_of(node)).collect()
    }

    /// Where pods of a cluster are told to find its API: at its address if it was given one,
    /// at the ingresses that run, or at all of them where none does. None where its API servers say that by themselves, for they
    /// have run since before anything was kept inside of the cluster.
    pub fn advertised_endpoints(&self, cluster: &Cluster) -> Option<Vec<SocketAddr>> {
        let addons = cluster.addons.as_ref()?;
        let servers = cluster.carriers(Component::ApiServer);
        if !servers.iter().all(|(_, n)| addons.is_known_to(n)) {
            return None;
        }
        if let Some(fixed) = cluster.endpoint.as_ref().and_then(fixed_address) {
            return Some(vec![fixed]);
        }
        let of = |wanted: fn(&Node) -> bool| -> Vec<SocketAddr> {
            let ingresses = cluster.ingresses().into_iter().filter(|(_, n)| wanted(n));
            ingresses.filter_map(|(_, n)| self.endpoint_of(n)).collect()
        };
        let ready = of(Node::is_ready);
        Some(if ready.is_empty() { of(|_| true) } else { ready })
    }

    fn endpoint_of(&self, ingress: &Node) -> Option<SocketAddr> {
        self.reached_at(ingress, PortUse::ApiServer)
    }

    /// Where others reach a port of a node, if it has that port.
    pub fn reached_at(&self, node: &Node, port_use: PortUse) -> Option<SocketAddr> {
        let address = self.hypervisors.get(&node.hypervisor)?.spec.address;
        Some(SocketAddr::new(address, *node.ports.get(&port_use)?))
    }

    /// Where the hub of a cluster's tunnel is: at the oldest ingress that runs on a machine that
    /// answers, or the oldest where none does. All links lead to one, or they would not meet.
    pub fn tunnel_hub(&self, cluster: &Cluster) -> Option<SocketAddr> {
        cluster.tunnel.as_ref()?;
        let ingresses = cluster.ingresses();
        let answers = |n: &Node| self.hypervisors.get(&n.hypervisor).is_some_and(|h| !h.is_away());
        let ready = ingresses.iter().find(|(_, n)| n.is_ready() && answers(n));
        let ready = ready.or(ingresses.first());
        ready.and_then(|(_, n)| self.reached_at(n, PortUse::Wireguard))
    }

    /// What a machine with ingresses passes through on ports that clusters share.
    pub fn routes(&self, hypervisor: &HypervisorName) -> Vec<Route> {
        let mut routes: Vec<Route> = self
            .nodes_on(hypervisor)
            .filter_map(|(cluster, node, n)| {
                let c = self.clusters.get(cluster).filter(|c| !c.hibernated)?;
                Some(Route {
                    port: c.shared_port_of(n)?,
                    name: c.endpoint.as_ref()?.host.clone(),
                    cluster: cluster.clone(),
                    node: node.clone(),
                    to: self.endpoint_of(n)?,
                })
            })
            .collect();
        routes.sort();
        routes
    }

    /// All nodes on a hypervisor, with their clusters.
    pub fn nodes_on<'a>(
        &'a self,
        hypervisor: &'a HypervisorName,
    ) -> impl Iterator<Item = (&'a ClusterName, &'a NodeName, &'a Node)> {
        self.clusters.iter().flat_map(move |(cluster_name, cluster)| {
            cluster
                .nodes
                .iter()
                .filter(move |(_, node)| &node.hypervisor == hypervisor)
                .map(move |(name, node)| (cluster_name, name, &**node))
        })
    }
}

fn fixed_address(endpoint: &Endpoint) -> Option<SocketAddr> {
    Some(SocketAddr::new(endpoint.host.parse().ok()?, endpoint.port))
}

/// A way through a port of a hypervisor that clusters share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The port.
    pub port: u16,
    /// The name that clients ask for; an address stands for all that ask for none that is
    /// known.
    pub name: String,
    /// The cluster that they reach.
    pub cluster: ClusterName,
    /// Its ingress there.
    pub node: NodeName,
    /// Where that listens itself.
    pub to: SocketAddr,
}

impl Route {
    /// Whether it is for clients that ask for no name.
    pub fn is_default(&self) -> bool {
        self.name.parse::<IpAddr>().is_ok()
    }
}

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
    /// As registered.
    pub spec: RegisterHypervisorV1,
    /// The position at which it was registered.
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
}

impl Hypervisor {
    /// Whether clusters may share a host port of it.
    pub fn may_share(&self, port: u16) -> bool {
        let range = self.spec.port_low..=self.spec.port_high;
        range.contains(&port) || self.shared_ports.contains(&port)
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

/// How far a cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClusterPhase {
    /// Its nodes are not all ready for the first time.
    Creating,
    /// The API has answered through an ingress.
    Ready,
    /// It is going away.
    Deleting,
}

/// A Kubernetes control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// This life of its name.
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
    /// Authorities and cluster-wide keys, by name. Shared, like what else is large and
    /// changes seldom: decisions are made on copies of a cluster.
    pub credentials: Arc<BTreeMap<String, Credential>>,
    /// How far it is.
    pub phase: ClusterPhase,
    /// The position of the creation, then of the deletion.
    pub generation: Generation,
    /// Its nodes by name.
    pub nodes: BTreeMap<NodeName, Arc<Node>>,
    /// Client certificates issued to users, by serial number. Those that have ended are
    /// forgotten when the next one is issued.
    pub kubeconfigs: Arc<BTreeMap<String, Kubeconfig>>,
    /// The upgrade that is on its way.
    pub upgrade: Option<Upgrade>,
    /// It runs nothing, and keeps its data.
    pub hibernated: bool,
    /// When it is to be deleted, Unix milliseconds.
    pub delete_at_ms: Option<u64>,
    /// Its deletion forgets what is left on hypervisors that are away.
    pub forget_orphans: bool,
    /// Its backups; the ids rise with time.
    pub backups: BTreeMap<BackupId, Backup>,
    /// How it is backed up.
    pub schedule: Option<Schedule>,
    /// The restore that is on its way.
    pub restore: Option<Restore>,
    /// Authorities that are trusted beside those that sign, by name.
    pub other_cas: BTreeMap<String, Credential>,
    /// The replacement of its authorities that is on its way.
    pub rotation: Option<Rotation>,
    /// What is kept inside of it; none where nothing is.
    pub addons: Option<InstalledAddons>,
    /// The tunnel to its worker nodes; none where they reach each other without.
    pub tunnel: Option<Tunnel>,
    /// Where its API is reached; none for the oldest ingress.
    pub endpoint: Option<Endpoint>,
    /// Who is to say who its users are, beside itself.
    pub issuers: Arc<Vec<Issuer>>,
}

/// The tunnel between a cluster's worker nodes and its control plane. The hub's private key
/// is among the cluster's credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// Addresses in it, an IPv4 CIDR.
    pub cidr: String,
    /// Who has a link to its hub.
    pub peers: BTreeMap<TunnelPeer, Peer>,
}

impl Tunnel {
    /// The lowest free address; none where all are taken. The first one is left to the network
    /// itself.
    pub fn free_address(&self) -> Option<Ipv4Addr> {
        let net: Ipv4Net = self.cidr.parse().ok()?;
        let taken: BTreeSet<Ipv4Addr> = self.peers.values().map(|p| p.address).collect();
        net.hosts().skip(1).find(|address| !taken.contains(address))
    }
}

/// A link to a hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The key that was made on a worker; that of a control plane follows from the hub's.
    pub public_key: Option<[u8; 32]>,
    /// Its address in the tunnel.
    pub address: Ipv4Addr,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
}

/// What is kept inside of a cluster, through its API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledAddons {
    /// As it was asked for.
    pub spec: Addons,
    /// Tokens with which machines can join.
    pub tokens: BTreeMap<TokenId, JoinToken>,
    /// Rises with each decision that changes what is to be there.
    pub generation: Generation,
    /// Whether that was made so once.
    pub done: bool,
    /// Since when anything is kept there: nodes of an older generation know nothing of it.
    pub since: Generation,
}

impl InstalledAddons {
    /// Whether what runs on a node was made for a cluster with worker nodes.
    pub fn is_known_to(&self, node: &Node) -> bool {
        node.generation >= self.since
    }
}

/// A token with which machines join a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinToken {
    /// The bytes of which its secret part is made, sealed.
    pub credential: Credential,
    /// When it ends, Unix milliseconds.
    pub expires_ms: u64,
    /// What it is for.
    pub description: String,
}

/// The replacement of a cluster's authorities, on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// How far it is.
    pub stage: RotationStage,
    /// Nodes of an older generation do not trust yet what they are to trust.
    pub generation: Generation,
    /// Since when it is at this stage, Unix milliseconds.
    pub since_ms: u64,
}

impl Rotation {
    /// Whether something of the stage is not done on a node yet.
    pub fn is_behind(&self, node: &Node) -> bool {
        let owes = match self.stage {
            // All that the old authorities signed is due since then.
            RotationStage::Switch => node.renew_at_ms.values().any(|at| *at <= self.since_ms),
            RotationStage::Trust | RotationStage::Retire => node.generation < self.generation,
        };
        owes || !node.is_ready()
    }
}

/// A backup of a cluster's etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Names the work that is owed for it.
    pub generation: Generation,
    /// When it was asked for, Unix milliseconds.
    pub started_ms: u64,
    /// What is in the store; none before it is taken.
    pub snapshot: Option<SnapshotV1>,
    /// It is to go.
    pub expired: bool,
}

/// How a cluster is backed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// How long after one the next begins, milliseconds.
    pub every_ms: u64,
    /// How many are kept, the newest ones; 0 for all.
    pub keep: u32,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
}

/// A restore on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// The backup.
    pub backup: BackupId,
    /// The life of the cluster that it is of.
    pub source: ClusterUid,
    /// What is in the store.
    pub snapshot: SnapshotV1,
}

/// An upgrade on its way, component by component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgrade {
    /// The release that it comes from.
    pub from: KubernetesVersion,
    /// The release that it goes to.
    pub to: KubernetesVersion,
    /// No further component is replaced for now.
    pub paused: bool,
    /// It goes back to where it came from.
    pub back: bool,
}

impl Upgrade {
    /// The release that all components are to run.
    pub fn target(&self) -> &KubernetesVersion {
        if self.back { &self.from } else { &self.to }
    }
}

/// The releases that a node's components are to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// kube-apiserver.
    pub api_server: KubernetesVersion,
    /// kube-controller-manager.
    pub controller_manager: KubernetesVersion,
    /// kube-scheduler.
    pub scheduler: KubernetesVersion,
}

impl Versions {
    /// All of one release.
    pub fn all(version: &KubernetesVersion) -> Versions {
        let version = || version.clone();
        Versions { api_server: version(), controller_manager: version(), scheduler: version() }
    }

    /// The release of one component.
    pub fn of(&self, component: Component) -> &KubernetesVersion {
        match component {
            Component::ApiServer => &self.api_server,
            Component::ControllerManager => &self.controller_manager,
            Component::Scheduler => &self.scheduler,
        }
    }

    pub(crate) fn set(&mut self, component: Component, version: KubernetesVersion) {
        *match component {
            Component::ApiServer => &mut self.api_server,
            Component::ControllerManager => &mut self.controller_manager,
            Component::Scheduler => &mut self.scheduler,
        } = version;
    }
}

impl Cluster {
    /// Nodes that are to stay and are `wanted`, by role, then by age.
    pub fn staying(&self, wanted: impl Fn(&Node) -> bool) -> Vec<(&NodeName, &Node)> {
        let mut nodes: Vec<_> = self.nodes.iter().map(|(name, n)| (name, &**n)).collect();
        nodes.retain(|(_, n)| !n.removing && wanted(n));
        nodes.sort_by_key(|(_, n)| (n.role, n.added));
        nodes
    }

    /// Control-plane nodes that are to stay, the oldest first.
    pub fn control_planes(&self) -> Vec<(&NodeName, &Node)> {
        self.staying(|n| n.role == Role::ControlPlane)
    }

    /// Whether it is the oldest control-plane node that is to stay.
    pub fn is_oldest(&self, name: &NodeName) -> bool {
        self.control_planes().first().is_some_and(|(oldest, _)| *oldest == name)
    }

    /// Nodes that are to stay and to run a component, members first, then by age.
    pub fn carriers(&self, component: Component) -> Vec<(&NodeName, &Node)> {
        self.staying(|n| n.components.contains(&component))
    }

    /// The certificates of an authority that are trusted, in an order that does not depend
    /// on which of them signs.
    pub fn trusted(&self, authority: Ca) -> Vec<&Credential> {
        let name = authority.name();
        let signs = self.credentials.get(name).into_iter();
        let mut all: Vec<_> = signs.chain(self.other_cas.get(name)).collect();
        all.sort_by(|a, b| a.public.cmp(&b.public));
        all
    }

    /// The authority that signs certificates of users: the one that will stay, once all
    /// trust it.
    pub fn signs_users(&self) -> Option<&Credential> {
        let name = Ca::Kubernetes.name();
        let trusted = |r: &Rotation| {
            r.stage == RotationStage::Trust && self.staying(|n| r.is_behind(n)).is_empty()
        };
        match &self.rotation {
            Some(r) if trusted(r) => self.other_cas.get(name),
            _ => self.credentials.get(name),
        }
    }

    /// API servers that were not told yet who says who its users are.
    pub fn pending_rollout(&self) -> impl Iterator<Item = (&NodeName, &Node)> {
        let servers = self.carriers(Component::ApiServer).into_iter();
        servers.filter(|(_, n)| n.issuers != self.issuers)
    }

    /// Whether its API can be asked: it has answered, and nothing stops it.
    pub fn answers(&self) -> bool {
        self.phase == ClusterPhase::Ready && !self.hibernated && self.restore.is_none()
    }

    /// The port on which machines with its ingresses pass TLS through to them; none where its
    /// ingresses are reached by their own ports alone.
    pub fn shared_port(&self) -> Option<u16> {
        self.endpoint.as_ref().filter(|e| !e.forwarded).map(|e| e.port)
    }

    /// The same of a machine with this node: none but for an ingress that is to stay.
    pub fn shared_port_of(&self, node: &Node) -> Option<u16> {
        let ingress = node.role == Role::ControlPlaneIngress && !node.removing;
        self.shared_port().filter(|_| ingress)
    }

    /// Whether it takes a shared port for clients that ask for no name.
    pub fn is_default_there(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|e| e.host.parse::<IpAddr>().is_ok())
    }

    /// Ingress nodes that are to stay, the oldest first.
    pub fn ingresses(&self) -> Vec<(&NodeName, &Node)> {
        self.staying(|n| n.role == Role::ControlPlaneIngress)
    }

    /// Whether a node that goes has an etcd member that must leave first.
    pub fn owes_leave(&self, node: &Node) -> bool {
        node.removing
            && node.role == Role::ControlPlane
            && self.phase != ClusterPhase::Deleting
            // A restore begins a new membership.
            && self.restore.is_none()
            && !node.done.contains(&JobKind::LeaveCluster)
    }

    /// Whether each node that is to stay has all its steps done, and there is at
    /// least one of each role.
    pub fn is_converged(&self) -> bool {
        !self.control_planes().is_empty()
            && !self.ingresses().is_empty()
            && self.nodes.values().all(|n| n.removing || n.is_ready())
    }

    /// The same, and no node leaves: the time for a next step that touches one.
    pub fn is_settled(&self) -> bool {
        self.is_converged() && self.nodes.values().all(|n| !n.removing)
    }
}

/// A member of a cluster, placed on a hypervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it does.
    pub role: Role,
    /// Where it is.
    pub hypervisor: HypervisorName,
    /// The position at which it was added: its age.
    pub added: Generation,
    /// Rises with each decision that changes what must run.
    pub generation: Generation,
    /// Host ports it holds.
    pub ports: BTreeMap<PortUse, u16>,
    /// Its components' certificates, by name.
    pub credentials: Arc<BTreeMap<String, Credential>>,
    /// Steps that are done for this generation.
    pub done: BTreeSet<JobKind>,
    /// It is going away.
    pub removing: bool,
    /// How often a part of it was started again on the spot.
    pub restarts: u32,
    /// Its etcd member was in the cluster once: it finds its way back by its own data.
    pub joined: bool,
    /// The node that goes once this one is ready.
    pub replaces: Option<NodeName>,
    /// What it is to run beside its etcd member, if it has one.
    pub components: BTreeSet<Component>,
    /// The releases that its components are to run.
    pub versions: Versions,
    /// Its etcd member was seen not to keep running.
    pub broken: bool,
    /// When each of its certificates is to be renewed, Unix milliseconds.
    pub renew_at_ms: BTreeMap<String, u64>,
    /// Who its API server was told says who users are.
    pub issuers: Arc<Vec<Issuer>>,
}

impl Node {
    /// Whether its etcd member is in the cluster, is to stay, and is not known to be broken.
    pub fn is_voter(&self) -> bool {
        self.role == Role::ControlPlane && self.joined && !self.removing && !self.broken
    }

    /// Whether it has certificates of its own.
    pub fn is_certified(&self) -> bool {
        !self.credentials.is_empty()
    }

    /// The steps that make it ready.
    pub fn steps(&self) -> &'static [JobKind] {
        match self.role {
            Role::ControlPlane => &[JobKind::EnsureEtcd, JobKind::EnsureControlPlane],
            Role::ControlPlaneIngress => &[JobKind::EnsureIngress],
            Role::ApiServer => &[JobKind::EnsureControlPlane],
        }
    }

    /// Whether all its steps are done.
    pub fn is_ready(&self) -> bool {
        !self.removing && self.steps().iter().all(|s| self.done.contains(s))
    }
}

/// A client certificate that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kubeconfig {
    /// User name.
    pub common_name: String,
    /// Groups.
    pub organizations: Vec<String>,
    /// When it ends, Unix milliseconds.
    pub not_after_ms: u64,
    /// The [`fingerprint`](crate::fingerprint) of the authority that signed it.
    pub issuer: Hash,
}

/// A job that has not worked out so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFailure {
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong last.
    pub message: String,
    /// When it is due again, Unix milliseconds; none once it is due, and
    /// `u64::MAX` where only a person can make it so.
    pub retry_at_ms: Option<u64>,
}

/// The commands that were decided, the last [`PROCESSED_HORIZON`] of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "ProcessedInOrder")]
pub struct Processed {
    order: VecDeque<Decided>,
    horizon_ms: u64,
    #[serde(skip)]
    by_id: BTreeMap<CommandId, u64>,
}

/// A command that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Decided {
    id: CommandId,
    position: u64,
    time_ms: u64,
}

/// What is stored of [`Processed`].
#[derive(Deserialize)]
struct ProcessedInOrder {
    order: VecDeque<Decided>,
    horizon_ms: u64,
}

impl From<ProcessedInOrder> for Processed {
    fn from(stored: ProcessedInOrder) -> Processed {
        let ProcessedInOrder { order, horizon_ms } = stored;
        let by_id = order.iter().map(|decided| (decided.id, decided.position)).collect();
        Processed { order, horizon_ms, by_id }
    }
}

impl Processed {
    /// Where a command was decided, if it was and is remembered.
    pub fn position(&self, id: &CommandId) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    /// The newest commit time that is no longer remembered, Unix milliseconds. A
    /// command issued before it might have been decided.
    pub fn horizon_ms(&self) -> u64 {
        self.horizon_ms
    }

    pub(crate) fn insert(&mut self, id: CommandId, position: u64, time_ms: u64) {
        self.by_id.insert(id, position);
        self.order.push_back(Decided { id, position, time_ms });
        if self.order.len() > PROCESSED_HORIZON
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest.id);
            self.horizon_ms = self.horizon_ms.max(oldest.time_ms);
        }
    }
}
