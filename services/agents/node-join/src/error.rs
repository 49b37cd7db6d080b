//! Why a machine did not become a node, or did not leave its cluster.

use oi_kube::KubeError;
use std::path::PathBuf;

/// Why a machine did not become a node, or did not leave its cluster.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Not run as root.
    #[error("a node's kubelet runs as root: run this as root")]
    NotRoot,
    /// An argument is malformed.
    #[error("{what} {value:?} is not usable: {problem}")]
    Invalid {
        /// The argument.
        what: &'static str,
        /// Its value.
        value: String,
        /// The problem.
        problem: &'static str,
    },
    /// A program is not installed.
    #[error("{program} is not to be found in PATH: install it first")]
    Missing {
        /// Its name.
        program: &'static str,
    },
    /// No container runtime.
    #[error(
        "no container runtime listens at {0}: install and start one, or name its socket with --cri-socket"
    )]
    NoRuntime(PathBuf),
    /// The machine is another node already.
    #[error(
        "this machine is {}: leave there first (`oi node leave`, or `kubeadm reset`)",
        .0.as_ref().map_or_else(|| "a node already, and was not made one by oi".to_owned(), |n| format!("node {n} already, under another name, endpoint or authority"))
    )]
    AnotherNode(Option<String>),
    /// The port is taken.
    #[error("port {0} is taken by another program: a kubelet needs it")]
    PortTaken(u16),
    /// The cluster rejects the token.
    #[error(
        "the cluster does not accept the token: it is wrong, expired or revoked (`oi join-token list`, `oi join-token create`)"
    )]
    Token,
    /// The API has a certificate of another CA.
    #[error(
        "the API at {endpoint} is not the one whose authority was given: check --apiserver-endpoint and --apiserver-ca-cert-file"
    )]
    Ca {
        /// The endpoint.
        endpoint: String,
        /// The cause.
        #[source]
        source: KubeError,
    },
    /// The name is taken.
    #[error(
        "the cluster has a node {0} already: choose another --nodename, or delete that node first (`kubectl delete node {0}`)"
    )]
    NameTaken(String),
    /// The API of the cluster.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// The cluster has no add-ons for worker nodes.
    #[error(
        "the cluster tells nothing of how kubelets are to be configured: was it made for worker nodes (`oi cluster addons`)?"
    )]
    NotForWorkers,
    /// The container runtime.
    #[error("the container runtime's address")]
    Endpoint(#[from] oi_cri::EndpointError),
    /// The container runtime.
    #[error("the container runtime")]
    Cri(#[from] oi_cri::CriError),
    /// A pod cannot be removed.
    #[error("the container runtime")]
    Pod(#[from] oi_cri::PodError),
    /// A volume stays mounted.
    #[error("{point} is still mounted: unmount it, and leave again")]
    Mounted {
        /// Where.
        point: PathBuf,
        /// Why.
        #[source]
        source: Option<std::io::Error>,
    },
    /// A service does not stop.
    #[error("{0} does not end: end it by hand, and leave again")]
    Stays(&'static str),
    /// What the cluster says is malformed.
    #[error("the cluster's ConfigMap {name} has no usable {field}: {problem}")]
    ConfigMap {
        /// Its name.
        name: &'static str,
        /// The part of it.
        field: String,
        /// The problem.
        problem: String,
    },
    /// The cluster rejects the node's certificate.
    #[error(
        "the cluster does not accept this node's certificate any more: leave with --force, then join again"
    )]
    Credentials,
    /// A supervisor does not start.
    #[error("the supervisor of {name} does not run: its log is {}", log.display())]
    Supervisor {
        /// Its service.
        name: &'static str,
        /// Its log.
        log: PathBuf,
    },
    /// The machine cannot have a network interface of ours.
    #[error(
        "the cluster's worker nodes are linked by a tunnel, which needs /dev/net/tun: load the module tun (`modprobe tun`), or let the container see that device"
    )]
    NoTun,
    /// The cluster has no tunnel.
    #[error("the cluster has no tunnel: join without connecting first")]
    NoTunnel,
    /// Another machine has an address in the tunnel under this name.
    #[error(
        "a machine that joined as {0} has the link of that name, with another key: choose another --nodename; or delete that node, and try again in some minutes"
    )]
    LinkTaken(String),
    /// The machine got no address in the tunnel.
    #[error(
        "no link was given to this machine within {0} s: does oi's worker run (`oi status`), and is there an address left (`oi cluster tunnel`)? This command may be run again"
    )]
    NoLink(u64),
    /// The hub does not answer.
    #[error(
        "the tunnel's hub at {hub} does not answer: UDP to it must be let out of this network; this command may be run again (the link's log: {log})"
    )]
    HubSilent {
        /// Its address.
        hub: String,
        /// The link's log.
        log: String,
    },
    /// The link failed.
    #[error(transparent)]
    Tunnel(#[from] oi_tunnel::TunnelError),
    /// No randomness for a key.
    #[error("no key can be made")]
    Random(#[source] std::io::Error),
    /// The container runtime, without a cause.
    #[error("the container runtime at {0} cannot be asked")]
    Runtime(String),
    /// The file system.
    #[error("{path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file has no content.
    #[error("{path} cannot be written as JSON")]
    Json {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A file is damaged.
    #[error("{path} is damaged: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: String,
    },
    /// A program failed.
    #[error("`{command}` failed: {stderr}")]
    Program {
        /// The program with its arguments.
        command: String,
        /// Its standard error.
        stderr: String,
    },
    /// The node is not ready in time.
    #[error(
        "node {node} is not ready after {seconds} s: {state}; it may become so yet, and this command may be run again (the kubelet's log: {log})"
    )]
    NotReady {
        /// The node.
        node: String,
        /// The time that it had.
        seconds: u64,
        /// What it waits for.
        state: String,
        /// The kubelet's log.
        log: String,
    },
    /// Pods cannot be evicted in time.
    #[error(
        "{0} pod(s) cannot be evicted yet: {1}; the node takes no new pods meanwhile (`kubectl uncordon` lets it); leave with --force to not wait for them"
    )]
    Undrained(usize, String),
}
