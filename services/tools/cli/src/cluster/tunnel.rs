//! `oi cluster tunnel`.

use crate::client::Client;
use crate::error::Failure;
use crate::output::{Output, moment};
use crate::wait::{self, Wait};
use clap::Args;
use oi_proto::v1;
use serde_json::{Value, json};

/// The tunnel between a cluster's worker nodes and its control plane: who has a link, and
/// with which address. With --cidr: let it have one, for good.
#[derive(Args)]
pub struct Tunnel {
    /// Its name.
    name: String,
    /// Addresses in the tunnel, an IPv4 CIDR.
    #[arg(long)]
    cidr: Option<String>,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    output: Output,
}

impl Tunnel {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let Tunnel { name, cidr, wait, output } = self;
        if let Some(cidr) = cidr {
            client.submit(v1::EnableTunnel { cluster: name.clone(), cidr }).await?;
            let done =
                |c: &v1::Cluster, nodes: &[v1::Node]| c.configured && wait::is_ready(c, nodes);
            return wait::for_cluster(client, &name, wait.limit(), done).await;
        }
        let tunnel = client.cluster(&name).await?.tunnel.ok_or_else(|| {
            Failure::NotFound(format!(
                "cluster {name} has no tunnel: `oi cluster tunnel {name} --cidr 10.254.0.0/16` makes one"
            ))
        })?;
        output.list(tunnel.links.iter().map(|link| row(&name, &tunnel, link)))
    }
}

/// A warning of what does not work in a cluster without a tunnel.
pub fn needed(c: &v1::Cluster) -> Option<String> {
    let objects = c.needs_tunnel.join(", ");
    (!objects.is_empty()).then(|| {
        format!(
            "warning: the API servers of cluster {0} reach no Services without a tunnel, so these do not work, and no namespace is deleted to its end while an APIService does not: {objects}; `oi cluster tunnel {0} --cidr 10.254.0.0/16` makes one (at creation: --vpn-enabled)",
            c.name
        )
    })
}

fn row(cluster: &str, tunnel: &v1::Tunnel, link: &v1::TunnelLink) -> Value {
    let kind = if link.control_plane { "control-plane" } else { "worker" };
    json!({
        "name": link.name, "kind": kind, "address": link.address, "since": moment(link.since_ms),
        "cluster": cluster, "cidr": tunnel.cidr, "hub": tunnel.hub,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_needs_a_tunnel_is_told_with_the_way_to_one() {
        let mut cluster = v1::Cluster { name: "test".to_owned(), ..Default::default() };
        assert_eq!(needed(&cluster), None);
        cluster.needs_tunnel = vec!["APIService v1beta1.metrics.k8s.io".to_owned()];
        let warning = needed(&cluster).unwrap();
        assert!(warning.contains("APIService v1beta1.metrics.k8s.io"), "{warning}");
        assert!(warning.contains("`oi cluster tunnel test --cidr 10.254.0.0/16`"), "{warning}");
    }
}
