//! haproxy in front of a cluster's API servers: TCP passed through, so that client
//! certificates reach them, with health checks that verify the API's certificate.

use super::haproxy::{self, COMMON, CONSOLE, DEFAULTS, ETC, PORT};
use super::{Files, PodsError, Secrets, Target};
use oi_cri::{FileOp, PodSpec, PortMapping};
use oi_domain::Ca;
use oi_events::{Component, PortUse};

/// The pod's name among a node's pods, and its container's.
pub const POD: &str = "haproxy";
/// haproxy's name for the API servers.
pub const BACKEND: &str = "kube-apiserver";

/// The directory with haproxy's files, on the hypervisor.
pub fn dir(target: &Target) -> String {
    format!("{}/haproxy", target.dir())
}

/// The socket on the hypervisor on which haproxy's master takes commands.
pub fn console(target: &Target) -> String {
    format!("{}/{CONSOLE}", run_dir(target))
}

fn run_dir(target: &Target) -> String {
    format!("{}/run", target.dir())
}

/// The configuration, and the mark by which haproxy says that it runs with this one and
/// with the authorities that it names.
fn config(target: &Target) -> Result<(String, String), PodsError> {
    let mut text = format!(
        "{COMMON}    # After a reload the process before ends with its connections, or then.
    hard-stop-after 10m

{DEFAULTS}
frontend {BACKEND}
    bind :{PORT}
    default_backend {BACKEND}

backend {BACKEND}
    balance leastconn
    option httpchk GET /readyz
    http-check expect status 200
    default-server check check-ssl verify required ca-file {ETC}/ca.crt inter 1s fastinter 250ms downinter 250ms fall 2 rise 1 on-marked-down shutdown-sessions
"
    );
    let servers = target.cluster.carriers(Component::ApiServer);
    // Of one alone nothing can be kept away, so there is nothing to ask it each second.
    let check = if servers.len() > 1 { "" } else { " no-check" };
    for (name, node) in servers {
        let address = target.address_of(name, node, PortUse::ApiServer)?;
        text.push_str(&format!("    server {name} {address}{check}\n"));
    }
    let mark = format!("oi-{}", haproxy::digest(&text, &target.trusted(Ca::Kubernetes)));
    Ok((haproxy::marked(&mark, &text), mark))
}

/// The mark of the configuration that must run.
pub fn mark(target: &Target) -> Result<String, PodsError> {
    config(target).map(|(_, mark)| mark)
}

/// Pod and files.
pub fn pod(target: &Target, secrets: &Secrets<'_>) -> Result<(PodSpec, Vec<FileOp>), PodsError> {
    let mut files = Files::new(dir(target));
    // Read again when haproxy is told to.
    files.reread("haproxy.cfg", config(target)?.0.into_bytes());
    files.reread("ca.crt", secrets.trusted(Ca::Kubernetes)?);
    files.directory(run_dir(target));
    let mut pod = target.pod(POD);
    files.directory(pod.log_directory.clone());
    let (operations, files_hash) = files.finish();
    pod.ports = vec![PortMapping::tcp(PORT, target.port(PortUse::ApiServer)?)];
    pod.containers = vec![haproxy::container(POD, dir(target), run_dir(target), files_hash)];
    Ok((pod, operations))
}
