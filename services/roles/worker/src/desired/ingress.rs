//! haproxy in front of a cluster's API servers. It forwards TCP, so that client certificates
//! reach the API servers, and its health checks verify the API servers' certificates.

use super::haproxy::{self, COMMON, CONSOLE, DEFAULTS, ETC, PORT};
use super::{DesiredError, Files, NodeContext, PodAndFiles, PortMapping, Secrets};
use oi_domain::Ca;
use oi_events::{Component, PortUse};

/// The name of the pod among the pods of a node, and of its container.
pub const POD: &str = "haproxy";
/// haproxy's name for the API servers.
pub const BACKEND: &str = "kube-apiserver";

/// The directory of haproxy's files on the hypervisor.
pub fn dir(ctx: &NodeContext) -> String {
    format!("{}/haproxy", ctx.dir())
}

/// The socket on the hypervisor on which haproxy's master takes commands.
pub fn console(ctx: &NodeContext) -> String {
    format!("{}/{CONSOLE}", run_dir(ctx))
}

fn run_dir(ctx: &NodeContext) -> String {
    format!("{}/run", ctx.dir())
}

/// A configuration, and its mark. The mark also covers the CA certificates that haproxy loads.
struct Config {
    text: String,
    mark: String,
}

fn config(ctx: &NodeContext) -> Result<Config, DesiredError> {
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
    let servers = ctx.cluster.carriers(Component::ApiServer);
    // A single server gets all connections whatever its health: it needs no check each second.
    let check = if servers.len() > 1 { "" } else { " no-check" };
    for (name, node) in servers {
        let address = ctx.address_of(name, node, PortUse::ApiServer)?;
        text.push_str(&format!("    server {name} {address}{check}\n"));
    }
    let mark = format!("oi-{}", haproxy::digest(&text, &ctx.trusted(Ca::Kubernetes)));
    Ok(Config { text: haproxy::marked(&mark, &text), mark })
}

/// The mark of the configuration that must run.
pub fn mark(ctx: &NodeContext) -> Result<String, DesiredError> {
    config(ctx).map(|config| config.mark)
}

/// The pod.
pub fn pod(ctx: &NodeContext, secrets: &Secrets<'_>) -> Result<PodAndFiles, DesiredError> {
    let mut files = Files::new(dir(ctx));
    files.reloaded("haproxy.cfg", config(ctx)?.text.into_bytes());
    files.reloaded("ca.crt", secrets.trusted(Ca::Kubernetes)?);
    files.directory(run_dir(ctx));
    let mut pod = ctx.pod(POD);
    files.directory(pod.log_directory.clone());
    let (operations, files_hash) = files.finish();
    pod.ports = vec![PortMapping::tcp(PORT, ctx.port(PortUse::ApiServer)?)];
    pod.containers = vec![haproxy::container(POD, dir(ctx), run_dir(ctx), files_hash)];
    Ok((pod, operations))
}
