//! flannel: the network of pods, VXLAN between nodes.

use super::template::Values;
use super::{ClusterContext, Object, TemplateError, digest, render};
use serde_json::json;

pub fn objects(cluster: &ClusterContext) -> Result<Vec<Object>, TemplateError> {
    let (cni, net) = (cni(), net(cluster));
    let mut args = vec!["--ip-masq".to_owned(), "--kube-subnet-mgr".to_owned()];
    if cluster.cluster.tunnel.is_some() {
        args.push(format!("--iface={}", oi_tunnel::INTERFACE));
    }
    let values = Values::from([
        ("digest", json!(digest(&format!("{cni}{net}")))),
        ("cni", json!(cni)),
        ("net", json!(net)),
        ("args", json!(args)),
        ("api_host", json!(cluster.endpoint.host)),
        ("api_port", json!(cluster.endpoint.port.to_string())),
    ]);
    render(include_str!("templates/flannel.yaml"), &values)
}

/// The configuration of container runtimes.
fn cni() -> String {
    json!({
        "name": "cbr0",
        "cniVersion": "0.3.1",
        "plugins": [
            {"type": "flannel", "delegate": {"hairpinMode": true, "isDefaultGateway": true}},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
    .to_string()
}

/// The configuration of flannel itself.
fn net(cluster: &ClusterContext) -> String {
    json!({
        "Network": cluster.cluster.spec.pod_cidr,
        "EnableNFTables": false,
        "Backend": {"Type": "vxlan"},
    })
    .to_string()
}
