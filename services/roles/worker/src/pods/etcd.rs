//! The etcd member of a control-plane node, with kubeadm 1.36's flags.

use super::{Files, PodsError, Secrets, Target};
use crate::names;
use oi_cri::{ContainerSpec, FileOp, Mount, PodSpec, PortMapping};
use oi_domain::Ca;
use oi_events::{PortUse, Role};
use std::collections::BTreeMap;

/// The pod's name among a node's pods, and its container's.
pub const POD: &str = "etcd";
/// Ports within the pod.
pub const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;
/// The pod that restores, and its view of the member's directory.
const RESTORE: &str = "restore";
const ETCD: &str = "/etcd";
const PKI: &str = "/etc/kubernetes/pki/etcd";

/// Flags with which a client inside the container reaches its own member.
pub fn client_flags() -> [String; 4] {
    [
        format!("--endpoints=https://127.0.0.1:{CLIENT_PORT}"),
        format!("--cacert={PKI}/ca.crt"),
        format!("--cert={PKI}/healthcheck-client.crt"),
        format!("--key={PKI}/healthcheck-client.key"),
    ]
}

/// The directory with the member's certificates, on the hypervisor.
pub fn pki_dir(target: &Target) -> String {
    format!("{}/etcd/pki", target.dir())
}

/// How a member finds the others at its very first start; later it knows.
pub struct Joining {
    /// `name=url,…`, the new member included.
    pub initial_cluster: String,
    /// `new` or `existing`.
    pub state: &'static str,
}

/// `name=url` of a node's member.
pub fn member_entry(target: &Target) -> Result<String, PodsError> {
    Ok(format!("{}=https://{}", target.name, target.address(PortUse::EtcdPeer)?))
}

/// The pod that makes a member's data from a snapshot, the only member of a new cluster;
/// the data's directory, which must not be there; and the snapshot's file.
pub fn restore_pod(target: &Target) -> Result<(PodSpec, String, String), PodsError> {
    let dir = format!("{}/etcd", target.dir());
    let mut pod = target.pod(RESTORE);
    let command = vec![
        "etcdutl".to_owned(),
        "snapshot".to_owned(),
        "restore".to_owned(),
        format!("{ETCD}/restore.snapshot"),
        format!("--data-dir={ETCD}/data"),
        format!("--name={}", target.name),
        format!("--initial-cluster={}", member_entry(target)?),
        format!("--initial-advertise-peer-urls=https://{}", target.address(PortUse::EtcdPeer)?),
        format!("--initial-cluster-token={}", target.cluster.uid),
        // Whoever watched what came after the backup must not take older revisions for
        // newer ones: it is told to list again.
        "--bump-revision=1000000000".to_owned(),
        "--mark-compacted".to_owned(),
    ];
    pod.containers = vec![ContainerSpec {
        name: RESTORE.to_owned(),
        image: names::etcd_image(&target.cluster.spec.kubernetes_version),
        command,
        mounts: vec![Mount::writable(dir.clone(), ETCD)],
        ..ContainerSpec::default()
    }];
    Ok((pod, format!("{dir}/data"), format!("{dir}/restore.snapshot")))
}

/// What the node's API server talks to: the member beside it, or all of them.
pub fn servers(target: &Target) -> Result<String, PodsError> {
    if target.node.role == Role::ControlPlane {
        return Ok(format!("https://{}", target.address(PortUse::EtcdClient)?));
    }
    let members = target.cluster.control_planes();
    let urls = members.into_iter().filter(|(_, n)| n.joined).map(|(name, n)| {
        Ok(format!("https://{}", target.address_of(name, n, PortUse::EtcdClient)?))
    });
    Ok(urls.collect::<Result<Vec<_>, PodsError>>()?.join(","))
}

/// Pod and files. Certificates are read again by etcd with each connection, authorities
/// at its start.
pub fn pod(
    target: &Target,
    secrets: &Secrets<'_>,
    joining: &Joining,
) -> Result<(PodSpec, Vec<FileOp>), PodsError> {
    let data = format!("{}/etcd/data", target.dir());
    let mut files = Files::new(pki_dir(target));
    files.at_start("ca.crt", secrets.trusted(Ca::Etcd)?);
    for (name, file) in [
        ("etcd-server", "server"),
        ("etcd-peer", "peer"),
        ("etcd-healthcheck-client", "healthcheck-client"),
    ] {
        files.reread(&format!("{file}.crt"), secrets.certificate(name)?);
        files.reread(&format!("{file}.key"), secrets.private_key(name)?);
    }
    files.directory(data.clone());
    let mut pod = target.pod(POD);
    files.directory(pod.log_directory.clone());
    let (operations, files_hash) = files.finish();
    let (client, peer) = (target.address(PortUse::EtcdClient)?, target.address(PortUse::EtcdPeer)?);
    let command = vec![
        "etcd".to_owned(),
        format!("--advertise-client-urls=https://{client}"),
        format!("--cert-file={PKI}/server.crt"),
        "--client-cert-auth=true".to_owned(),
        "--data-dir=/var/lib/etcd".to_owned(),
        "--feature-gates=InitialCorruptCheck=true".to_owned(),
        format!("--initial-advertise-peer-urls=https://{peer}"),
        format!("--key-file={PKI}/server.key"),
        format!("--listen-client-urls=https://0.0.0.0:{CLIENT_PORT}"),
        "--listen-metrics-urls=http://127.0.0.1:2381".to_owned(),
        format!("--listen-peer-urls=https://0.0.0.0:{PEER_PORT}"),
        format!("--name={}", target.name),
        format!("--peer-cert-file={PKI}/peer.crt"),
        "--peer-client-cert-auth=true".to_owned(),
        format!("--peer-key-file={PKI}/peer.key"),
        // A member on the same hypervisor comes from the address of its bridge, which is
        // in no certificate. Who signed it is still verified.
        "--peer-skip-client-san-verification=true".to_owned(),
        format!("--peer-trusted-ca-file={PKI}/ca.crt"),
        "--snapshot-count=10000".to_owned(),
        format!("--trusted-ca-file={PKI}/ca.crt"),
        "--watch-progress-notify-interval=5s".to_owned(),
    ];
    pod.ports = vec![
        PortMapping::tcp(CLIENT_PORT, target.port(PortUse::EtcdClient)?),
        PortMapping::tcp(PEER_PORT, target.port(PortUse::EtcdPeer)?),
    ];
    pod.containers = vec![ContainerSpec {
        name: POD.to_owned(),
        image: names::etcd_image(&target.cluster.spec.kubernetes_version),
        command,
        first_start_env: BTreeMap::from([
            ("ETCD_INITIAL_CLUSTER".to_owned(), joining.initial_cluster.clone()),
            ("ETCD_INITIAL_CLUSTER_STATE".to_owned(), joining.state.to_owned()),
        ]),
        mounts: vec![
            Mount::read_only(pki_dir(target), PKI),
            Mount::writable(data, "/var/lib/etcd"),
        ],
        files_hash,
        ..ContainerSpec::default()
    }];
    Ok((pod, operations))
}
