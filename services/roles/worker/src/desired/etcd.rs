//! The etcd member of a control-plane node, with the flags of kubeadm 1.36.

use super::{
    ContainerSpec, DesiredError, FileOp, Files, Mount, NodeContext, PodAndFiles, PodSpec,
    PortMapping, Secrets, names,
};
use oi_domain::{Ca, Restore};
use oi_events::{PortUse, Role};
use std::collections::BTreeMap;

/// The name of the pod among the pods of a node, and of its container.
pub const POD: &str = "etcd";
/// Ports in the pod.
const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;
/// The pod that unpacks a snapshot.
pub const RESTORE: &str = "restore";
/// Where it does so.
const UNPACK: &str = "/restore";
const PKI: &str = "/etc/kubernetes/pki/etcd";
const DATA: &str = "/var/lib/etcd";

/// The flags of a client in the member's own container.
pub fn client_flags() -> [String; 4] {
    [
        format!("--endpoints=https://127.0.0.1:{CLIENT_PORT}"),
        format!("--cacert={PKI}/ca.crt"),
        format!("--cert={PKI}/healthcheck-client.crt"),
        format!("--key={PKI}/healthcheck-client.key"),
    ]
}

/// The directory of the member's certificates on the hypervisor.
pub fn pki_dir(ctx: &NodeContext) -> String {
    format!("{}/pki", dir(ctx))
}

fn data_dir(ctx: &NodeContext) -> String {
    format!("{}/data", dir(ctx))
}

/// A file in the member's data directory: its path on the hypervisor, and in the container.
pub fn data_file(ctx: &NodeContext, name: &str) -> (String, String) {
    (format!("{}/{name}", data_dir(ctx)), format!("{DATA}/{name}"))
}

/// How names of snapshots end, before and after they are whole. Backups put them beside a member's
/// data for a moment.
pub const SNAPSHOTS: [&str; 2] = [".snapshot", ".snapshot.part"];

/// Where backups put them.
pub fn snapshots_dir(ctx: &NodeContext) -> String {
    data_dir(ctx)
}

/// Members of two clusters never take each other for their own, and neither do those of before and
/// after a restore, which has another token.
fn first_token(ctx: &NodeContext) -> String {
    format!("{}-first", ctx.cluster.uid)
}

/// How a member finds the others at its first start. Later its own data says so.
pub struct Joining {
    /// `name=url,…`, including the new member.
    pub initial_cluster: String,
    /// `new` or `existing`.
    pub state: &'static str,
}

/// `name=url` of a node's member.
pub fn member_entry(ctx: &NodeContext) -> Result<String, DesiredError> {
    Ok(format!("{}=https://{}", ctx.name, ctx.address(PortUse::EtcdPeer)?))
}

/// An attempt to unpack a backup: what it makes is in a directory of its own.
pub struct RestoreAttempt {
    /// Turns the snapshot into the data of the only member of a new cluster.
    pub pod: PodSpec,
    /// The directory of the attempt.
    pub dir: String,
    /// The file of the snapshot.
    pub snapshot: String,
    /// The directory of the data, which must not exist when the pod starts.
    pub data: String,
}

/// An attempt by this name, with its paths on the hypervisor.
pub fn restore_attempt(ctx: &NodeContext, name: &str) -> Result<RestoreAttempt, DesiredError> {
    let dir = format!("{}/{name}", restores_dir(ctx));
    let mut pod = ctx.pod(RESTORE);
    let command = vec![
        "etcdutl".to_owned(),
        "snapshot".to_owned(),
        "restore".to_owned(),
        format!("{UNPACK}/snapshot"),
        format!("--data-dir={UNPACK}/data"),
        format!("--name={}", ctx.name),
        format!("--initial-cluster={}", member_entry(ctx)?),
        format!("--initial-advertise-peer-urls=https://{}", ctx.address(PortUse::EtcdPeer)?),
        format!("--initial-cluster-token={}", ctx.cluster.uid),
        // Clients that watched events after the backup must not take an older revision for a
        // newer one: compaction makes them list again.
        "--bump-revision=1000000000".to_owned(),
        "--mark-compacted".to_owned(),
    ];
    pod.containers = vec![ContainerSpec {
        name: RESTORE.to_owned(),
        image: names::etcd_image(&ctx.cluster.spec.kubernetes_version),
        command,
        mounts: vec![Mount::writable(dir.clone(), UNPACK)],
        ..ContainerSpec::default()
    }];
    let (snapshot, data) = (format!("{dir}/snapshot"), format!("{dir}/data"));
    Ok(RestoreAttempt { pod, dir, snapshot, data })
}

/// What a restore puts in place of a member's data.
pub struct RestoredData {
    /// The data directory.
    pub data: String,
    /// What is to take its place.
    pub staged: String,
    /// Where the data from before is kept.
    pub before: String,
    /// The file that says which restore was carried out last.
    pub mark: String,
}

/// The paths of a restore on the hypervisor.
pub fn restored_data(ctx: &NodeContext, restore: &Restore) -> RestoredData {
    RestoredData {
        data: data_dir(ctx),
        staged: format!("{}/{}", restores_dir(ctx), restore.generation),
        before: format!("{}/{}", before_dir(ctx), restore.kept()),
        mark: format!("{}/restored", dir(ctx)),
    }
}

/// The file by which data that was put in place names its restore. etcd minds no other files.
pub fn restore_name(data: &str) -> String {
    format!("{data}/oi-restore")
}

/// Removes what restores leave beside the data, once none is on its way. What a later one leaves
/// stays, also where a worker wakes up late.
pub fn without_restores(ctx: &NodeContext) -> [FileOp; 2] {
    let generation = ctx.node.generation.0;
    [restores_dir(ctx), before_dir(ctx)].map(|path| FileOp::RemoveUntil { path, generation })
}

fn dir(ctx: &NodeContext) -> String {
    format!("{}/{}", ctx.dir(), names::ETCD)
}

fn restores_dir(ctx: &NodeContext) -> String {
    format!("{}/restores", dir(ctx))
}

fn before_dir(ctx: &NodeContext) -> String {
    format!("{}/before", dir(ctx))
}

/// The etcd endpoints of the node's API server: the member beside it, or else all members.
pub fn servers(ctx: &NodeContext) -> Result<String, DesiredError> {
    if ctx.node.role == Role::ControlPlane {
        return Ok(format!("https://{}", ctx.address(PortUse::EtcdClient)?));
    }
    let members = ctx.cluster.control_planes();
    let urls = members
        .into_iter()
        .filter(|(_, n)| n.joined)
        .map(|(name, n)| Ok(format!("https://{}", ctx.address_of(name, n, PortUse::EtcdClient)?)));
    Ok(urls.collect::<Result<Vec<_>, DesiredError>>()?.join(","))
}

/// The pod of a member. etcd reloads certificates with each connection, and CA certificates only
/// at its start.
pub fn pod(
    ctx: &NodeContext,
    secrets: &Secrets<'_>,
    joining: &Joining,
) -> Result<PodAndFiles, DesiredError> {
    let mut pod = ctx.pod(POD);
    let mut files = files(ctx, secrets)?;
    files.directory(data_dir(ctx));
    files.directory(pod.log_directory.clone());
    let (operations, files_hash) = files.finish();
    pod.ports = vec![
        PortMapping::tcp(CLIENT_PORT, ctx.port(PortUse::EtcdClient)?),
        PortMapping::tcp(PEER_PORT, ctx.port(PortUse::EtcdPeer)?),
    ];
    pod.containers = vec![ContainerSpec {
        name: POD.to_owned(),
        image: names::etcd_image(&ctx.cluster.spec.kubernetes_version),
        command: command(ctx)?,
        first_start_env: BTreeMap::from([
            ("ETCD_INITIAL_CLUSTER".to_owned(), joining.initial_cluster.clone()),
            ("ETCD_INITIAL_CLUSTER_STATE".to_owned(), joining.state.to_owned()),
            ("ETCD_INITIAL_CLUSTER_TOKEN".to_owned(), first_token(ctx)),
        ]),
        mounts: vec![Mount::read_only(pki_dir(ctx), PKI), Mount::writable(data_dir(ctx), DATA)],
        files_hash,
        ..ContainerSpec::default()
    }];
    Ok((pod, operations))
}

fn files(ctx: &NodeContext, secrets: &Secrets<'_>) -> Result<Files, DesiredError> {
    let mut files = Files::new(pki_dir(ctx));
    files.at_start("ca.crt", secrets.trusted(Ca::Etcd)?);
    for (name, file) in [
        ("etcd-server", "server"),
        ("etcd-peer", "peer"),
        ("etcd-healthcheck-client", "healthcheck-client"),
    ] {
        files.reloaded(&format!("{file}.crt"), secrets.certificate(name)?);
        files.reloaded(&format!("{file}.key"), secrets.private_key(name)?);
    }
    Ok(files)
}

fn command(ctx: &NodeContext) -> Result<Vec<String>, DesiredError> {
    let (client, peer) = (ctx.address(PortUse::EtcdClient)?, ctx.address(PortUse::EtcdPeer)?);
    let mut command = vec![
        "etcd".to_owned(),
        format!("--advertise-client-urls=https://{client}"),
        format!("--cert-file={PKI}/server.crt"),
        "--client-cert-auth=true".to_owned(),
        format!("--data-dir={DATA}"),
        "--feature-gates=InitialCorruptCheck=true".to_owned(),
        format!("--initial-advertise-peer-urls=https://{peer}"),
        format!("--key-file={PKI}/server.key"),
        format!("--listen-client-urls=https://0.0.0.0:{CLIENT_PORT}"),
        "--listen-metrics-urls=http://127.0.0.1:2381".to_owned(),
        format!("--listen-peer-urls=https://0.0.0.0:{PEER_PORT}"),
        format!("--name={}", ctx.name),
        format!("--peer-cert-file={PKI}/peer.crt"),
        "--peer-client-cert-auth=true".to_owned(),
        format!("--peer-key-file={PKI}/peer.key"),
        // A member on the same hypervisor connects from the bridge's address, which no
        // certificate names. Its certificate is still verified.
        "--peer-skip-client-san-verification=true".to_owned(),
        format!("--peer-trusted-ca-file={PKI}/ca.crt"),
        "--snapshot-count=10000".to_owned(),
        format!("--trusted-ca-file={PKI}/ca.crt"),
        "--watch-progress-notify-interval=5s".to_owned(),
    ];
    // An API server's certificate is of the same authority. Under members whose certificates do
    // not have the name yet, the flag would cut them off from each other.
    if ctx.cluster.named_peers {
        let name = oi_domain::etcd_peer_name(ctx.cluster.uid);
        command.push(format!("--peer-cert-allowed-hostname={name}"));
    }
    Ok(command)
}
