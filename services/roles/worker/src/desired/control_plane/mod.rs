//! API server, controller manager and scheduler of a node, with the flags of kubeadm 1.36. Each
//! container sees the keys that it needs, and no others.

mod api_server;
mod authentication;
mod controller_manager;
mod scheduler;

pub use api_server::dir as api_server_dir;

use super::{
    ContainerSpec, DesiredError, FileOp, Files, Mount, NodeContext, PodAndFiles, PortMapping,
    Secrets, names,
};
use crate::tunnel::pods as tunnel;
use oi_events::{Component, PortUse};
use oi_pki::kubeconfig_with_files;

/// The pod's name among the pods of a node.
pub const POD: &str = "control-plane";
/// The container that starts first.
pub const API_SERVER: &str = "kube-apiserver";
const ETC: &str = "/etc/kubernetes";

/// Not kubeadm's values (15, 10 and 2 s). The API server beside a component may be replaced, or
/// its machine be slow, for longer than 10 s, and a component that cannot renew its lease exits.
/// Fewer writes also leave more of a machine with many control planes to other work.
const LEADER_ELECTION: [&str; 4] = [
    "--leader-elect=true",
    "--leader-elect-lease-duration=30s",
    "--leader-elect-renew-deadline=24s",
    "--leader-elect-retry-period=5s",
];

/// A container, and the changes of its files.
type Described = (ContainerSpec, Vec<FileOp>);

/// The pod with the components that the node runs. Files of other components are removed.
///
/// Components reload serving and client certificates by themselves. They reload CA certificates,
/// too, except for etcd's.
pub fn pod(ctx: &NodeContext, secrets: &Secrets<'_>) -> Result<PodAndFiles, DesiredError> {
    let port = ctx.port(PortUse::ApiServer)?;
    let mut pod = ctx.pod(POD);
    let mut operations = Vec::new();
    // Host port and container port are the same: the API server advertises its own port.
    pod.ports = vec![PortMapping::tcp(port, port)];
    for component in Component::ALL {
        if !ctx.node.components.contains(&component) {
            let path = format!("{}/{}", ctx.dir(), component.as_str());
            operations.push(FileOp::Remove { path });
            continue;
        }
        let (container, files) = match component {
            Component::ApiServer => api_server::describe(ctx, secrets, port)?,
            Component::ControllerManager => controller_manager::describe(ctx, secrets, port)?,
            Component::Scheduler => scheduler::describe(ctx, secrets, port)?,
        };
        pod.containers.push(container);
        operations.extend(files);
    }
    if let Some((link, files)) = tunnel::link(ctx, secrets)? {
        pod.containers.push(link);
        operations.extend(files);
    }
    operations.push(FileOp::MakeDir { path: pod.log_directory.clone(), mode: 0o700 });
    Ok((pod, operations))
}

/// The container of a component.
fn container(
    ctx: &NodeContext,
    component: Component,
    flags: Vec<String>,
    mounts: Vec<Mount>,
    files: Files,
) -> Described {
    let (operations, files_hash) = files.finish();
    let name = component.as_str();
    // A machine with many control planes runs out of memory before it runs out of processors.
    let env = [("GOGC".to_owned(), "50".to_owned())].into();
    let container = ContainerSpec {
        env,
        name: name.to_owned(),
        image: names::kubernetes_image(name, ctx.node.versions.of(component)),
        command: [vec![name.to_owned()], flags].concat(),
        mounts,
        files_hash,
        ..ContainerSpec::default()
    };
    (container, operations)
}

/// The directory of a component's files on the hypervisor.
fn component_dir(ctx: &NodeContext, component: Component) -> String {
    format!("{}/{}", ctx.dir(), component.as_str())
}

/// Adds the kubeconfig of a component that talks to the API server in the same pod.
///
/// The certificate is in files of its own. The component restarts when it changes: it would
/// otherwise keep its open connection, and be refused once the old certificate expires.
fn add_kubeconfig(
    files: &mut Files,
    secrets: &Secrets<'_>,
    credential: &str,
    user: &str,
    port: u16,
) -> Result<(), DesiredError> {
    let cluster = secrets.ctx.cluster_name.as_str();
    let config = kubeconfig_with_files(
        cluster,
        &format!("https://127.0.0.1:{port}"),
        &format!("{ETC}/pki/ca.crt"),
        user,
        &format!("{ETC}/pki/client.crt"),
        &format!("{ETC}/pki/client.key"),
    );
    files.at_start("kubeconfig", config.into_bytes());
    files.at_start("pki/client.crt", secrets.certificate(credential)?);
    files.at_start("pki/client.key", secrets.private_key(credential)?);
    Ok(())
}
