//! CoreDNS: resolves names of Services.

use super::template::Values;
use super::{ClusterContext, Object, TemplateError, digest, render};
use oi_domain::service_ip;
use serde_json::json;

/// The address of the DNS server among those of Services, as kubeadm chooses it.
const ADDRESS: u32 = 10;

pub fn objects(cluster: &ClusterContext, worker_nodes: u64) -> Result<Vec<Object>, TemplateError> {
    let address = service_ip(&cluster.cluster.spec.service_cidr, ADDRESS)?;
    let corefile = corefile(&cluster.cluster.spec.dns_domain);
    let values = Values::from([
        ("address", json!(address.to_string())),
        ("digest", json!(digest(&corefile))),
        ("corefile", json!(corefile)),
        ("replicas", json!(replicas(worker_nodes))),
    ]);
    render(include_str!("templates/coredns.yaml"), &values)
}

fn corefile(domain: &str) -> String {
    include_str!("templates/Corefile").replace("${domain}", domain)
}

/// One replica for one node, two for a few nodes, and one for each sixteen nodes above: a small
/// cluster pays for no spare, and a large one has enough.
fn replicas(worker_nodes: u64) -> u64 {
    if worker_nodes <= 1 { 1 } else { worker_nodes.div_ceil(16).clamp(2, 30) }
}

#[cfg(test)]
mod tests {
    use super::{corefile, replicas};

    #[test]
    fn there_are_as_many_as_nodes_need() {
        assert_eq!([0, 1, 2, 16, 33, 10_000].map(replicas), [1, 1, 2, 2, 3, 30]);
    }

    #[test]
    fn the_corefile_serves_the_clusters_domain() {
        let text = corefile("example.org");
        assert!(text.contains("kubernetes example.org in-addr.arpa"), "{text}");
    }
}
