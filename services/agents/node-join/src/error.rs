//! Why a machine did not become a node, or did not leave.

use oi_kube::KubeError;
use std::path::PathBuf;

/// A refusal or a failure.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Only root may.
    #[error("a node's kubelet runs as root: run this as root")]
    NotRoot,
    /// A value that cannot be.
    #[error("{what} {value:?} is not usable: {problem}")]
    Invalid {
        /// Which.
        what: &'static str,
        /// As given.
        value: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Something that must be installed.
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
    /// The machine is a node of something else.
    #[error(
        "this machine is {}: leave there first (`oi node leave`, or `kubeadm reset`)",
        .0.as_ref().map_or_else(|| "a node already, and was not made one by oi".to_owned(), |n| format!("node {n} already, under another name, endpoint or authority"))
    )]
    AnotherNode(Option<String>),
    /// The port is taken.
    #[error("port {0} is taken by another program: a kubelet needs it")]
    PortTaken(u16),
    /// The token is not accepted.
    #[error(
        "the cluster does not accept the token: it is wrong, expired or revoked (`oi join-token list`, `oi join-token create`)"
    )]
    Token,
    /// The certificate does not fit.
    #[error(
        "the API at {endpoint} is not the one whose authority was given: check --apiserver-endpoint and --apiserver-ca-cert-file"
    )]
    Ca {
        /// Where.
        endpoint: String,
        /// Why.
        #[source]
        source: KubeError,
    },
    /// The name is taken.
    #[error(
        "the cluster has a node {0} already: choose another --nodename, or delete that node first (`kubectl delete node {0}`)"
    )]
    NameTaken(String),
    /// The API.
    #[error(transparent)]
    Kube(#[from] KubeError),
    /// The cluster is not made for it.
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
    /// A pod stays.
    #[error("the container runtime")]
    Pod(#[from] oi_cri::PodError),
    /// A volume stays mounted.
    #[error("{0} is still mounted: unmount it, and leave again")]
    Mounted(PathBuf),
    /// A service stays.
    #[error("{0} does not end: end it by hand, and leave again")]
    Stays(&'static str),
    /// Its own certificate is refused.
    #[error(
        "the cluster does not accept this node's certificate any more: leave with --force, then join again"
    )]
    Credentials,
    /// The supervisor ended.
    #[error("the supervisor of {name} does not run: its log is {}", log.display())]
    Supervisor {
        /// Of what.
        name: &'static str,
        /// Where its log is.
        log: PathBuf,
    },
    /// No interface can be made.
    #[error(
        "the cluster's worker nodes are linked by a tunnel, which needs /dev/net/tun: load the module tun (`modprobe tun`), or let the container see that device"
    )]
    NoTun,
    /// There is nothing to connect to.
    #[error("the cluster has no tunnel: join without connecting first")]
    NoTunnel,
    /// The link is another machine's.
    #[error(
        "a machine that joined as {0} has the link of that name, with another key: choose another --nodename; or delete that node, and try again in some minutes"
    )]
    LinkTaken(String),
    /// Nobody answers.
    #[error(
        "no link was given to this machine within {0} s: does oi's worker run (`oi status`), and is there an address left (`oi cluster tunnel`)? This command may be run again"
    )]
    NoLink(u64),
    /// The hub does not answer.
    #[error(
        "the tunnel's hub at {hub} does not answer: UDP to it must be let out of this network; this command may be run again (the link's log: {log})"
    )]
    HubSilent {
        /// Where it is.
        hub: String,
        /// Where the link's log is.
        log: String,
    },
    /// The link itself.
    #[error(transparent)]
    Tunnel(#[from] oi_tunnel::TunnelError),
    /// No key.
    #[error("no key can be made")]
    Random(#[source] std::io::Error),
    /// The same, without any word.
    #[error("the container runtime at {0} cannot be asked")]
    Runtime(String),
    /// The file system refused.
    #[error("{path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} is damaged: {problem}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A program failed.
    #[error("`{command}` failed: {stderr}")]
    Program {
        /// With its arguments.
        command: String,
        /// What it said.
        stderr: String,
    },
    /// It did not become ready.
    #[error(
        "node {node} is not ready after {seconds} s: {state}; it may become so yet, and this command may be run again (the kubelet's log: {log})"
    )]
    NotReady {
        /// The node.
        node: String,
        /// How long it was waited for.
        seconds: u64,
        /// What it waits for.
        state: String,
        /// Where the kubelet's log is.
        log: String,
    },
    /// Pods stay.
    #[error(
        "{0} pod(s) cannot be evicted yet: {1}; the node takes no new pods meanwhile (`kubectl uncordon` lets it); leave with --force to not wait for them"
    )]
    Undrained(usize, String),
}
