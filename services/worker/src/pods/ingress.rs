//! haproxy in front of a cluster's API servers: TCP passed through, so that client
//! certificates reach them, with health checks that verify the API's certificate.

use super::{Files, PodsError, Secrets, Target};
use crate::names::HAPROXY_IMAGE;
use oi_cri::{ContainerSpec, FileOp, Mount, PodSpec, PortMapping};
use oi_events::PortUse;

/// The pod's name among a node's pods, and its container's.
pub const POD: &str = "haproxy";
/// Port within the pod.
const PORT: u16 = 6443;
const ETC: &str = "/usr/local/etc/haproxy";

/// The directory with haproxy's files, on the hypervisor.
pub fn dir(target: &Target) -> String {
    format!("{}/haproxy", target.dir())
}

fn config(target: &Target) -> Result<String, PodsError> {
    let mut text = format!(
        "global
    log stdout format raw local0 info
    maxconn 8192

defaults
    mode tcp
    log global
    option dontlognull
    timeout connect 5s
    # Watches and exec sessions are silent for long.
    timeout client 1h
    timeout server 1h

frontend kube-apiserver
    bind :{PORT}
    default_backend kube-apiserver

backend kube-apiserver
    balance leastconn
    option httpchk GET /readyz
    http-check expect status 200
    default-server check check-ssl verify required ca-file {ETC}/ca.crt inter 1s fastinter 250ms downinter 250ms fall 2 rise 1 on-marked-down shutdown-sessions
"
    );
    for (name, node) in target.cluster.control_planes() {
        let address = target.address_of(name, node, PortUse::ApiServer)?;
        text.push_str(&format!("    server {name} {address}\n"));
    }
    Ok(text)
}

/// Pod and files.
pub fn pod(target: &Target, secrets: &Secrets<'_>) -> Result<(PodSpec, Vec<FileOp>), PodsError> {
    let mut files = Files::new(dir(target));
    files.at_start("haproxy.cfg", config(target)?.into_bytes());
    files.at_start("ca.crt", secrets.certificate("ca")?);
    let mut pod = target.pod(POD);
    files.directory(pod.log_directory.clone());
    let (operations, files_hash) = files.finish();
    pod.ports =
        vec![PortMapping { container_port: PORT, host_port: target.port(PortUse::ApiServer)? }];
    pod.containers = vec![ContainerSpec {
        name: POD.to_owned(),
        image: HAPROXY_IMAGE.to_owned(),
        command: ["haproxy", "-db", "-f", &format!("{ETC}/haproxy.cfg")]
            .map(str::to_owned)
            .to_vec(),
        mounts: vec![Mount {
            host_path: dir(target),
            container_path: ETC.to_owned(),
            read_only: true,
        }],
        files_hash,
        ..ContainerSpec::default()
    }];
    Ok((pod, operations))
}
