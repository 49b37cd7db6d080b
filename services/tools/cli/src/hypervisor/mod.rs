//! `oi hypervisor …`.

mod update;

use crate::client::Client;
use crate::error::Failure;
use crate::output::{Output, word};
use clap::Subcommand;
use oi_proto::manifest::sorted_ports;
use oi_proto::v1;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum HypervisorVerb {
    /// All hypervisors.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// One hypervisor.
    Get {
        /// Its name.
        name: String,
        #[command(flatten)]
        output: Output,
    },
    /// Place no new nodes on it.
    Cordon {
        /// Its name.
        name: String,
    },
    /// Place new nodes on it again.
    Uncordon {
        /// Its name.
        name: String,
    },
    Update(Box<update::Update>),
    /// Let clusters share these of its ports for their endpoints, beside those of its range, and
    /// no others.
    Share {
        /// Its name.
        name: String,
        /// A port, or several with commas.
        #[arg(long, value_delimiter = ',', required_unless_present = "none")]
        port: Vec<u16>,
        /// None beside those of its range.
        #[arg(long, conflicts_with = "port")]
        none: bool,
    },
    /// What stands on hypervisors and belongs to nobody. Nodes that went while theirs was away, and
    /// pods and directories of clusters that are gone, are cleared by themselves.
    Orphans {
        /// Only of this one.
        name: Option<String>,
        #[command(flatten)]
        output: Output,
    },
    /// Forget what is left on one that is gone for good.
    ForgetOrphans {
        /// Its name.
        name: String,
    },
    /// Forget one that carries no nodes.
    Delete {
        /// Its name.
        name: String,
    },
}

pub async fn run(client: &Client, verb: HypervisorVerb) -> Result<(), Failure> {
    match verb {
        HypervisorVerb::List { output } => output.list(client.hypervisors().await?.iter().map(row)),
        HypervisorVerb::Get { name, output } => output.one(row(&client.hypervisor(&name).await?)),
        HypervisorVerb::Cordon { name } => {
            client.submit(v1::CordonHypervisor { name, cordoned: true }).await.map(drop)
        }
        HypervisorVerb::Uncordon { name } => {
            client.submit(v1::CordonHypervisor { name, cordoned: false }).await.map(drop)
        }
        HypervisorVerb::Update(verb) => verb.run(client).await,
        HypervisorVerb::Share { name, port, none: _ } => {
            client.submit(v1::SharePorts { name, ports: sorted_ports(&port) }).await.map(drop)
        }
        HypervisorVerb::Orphans { name, output } => {
            let found = match &name {
                Some(name) => vec![client.hypervisor(name).await?],
                None => client.hypervisors().await?,
            };
            output.list(found.iter().flat_map(orphans))
        }
        HypervisorVerb::ForgetOrphans { name } => {
            client.submit(v1::ForgetOrphans { name }).await.map(drop)
        }
        HypervisorVerb::Delete { name } => {
            client.submit(v1::UnregisterHypervisor { name }).await.map(drop)
        }
    }
}

fn row(h: &v1::Hypervisor) -> Value {
    let spec = h.spec.clone().unwrap_or_default();
    json!({
        "name": spec.name, "reach": word(h.reach().as_str_name(), "REACH_"),
        "public": spec.public, "cordoned": h.cordoned, "nodes": h.nodes,
        "orphans": h.orphans,
        "sharedPorts": h.shared_ports,
        "routes": h.routes.iter().map(route).collect::<Vec<_>>(),
        "address": spec.address, "ports": format!("{}-{}", spec.port_low, spec.port_high),
        "maxNodes": spec.max_nodes,
        "endpoint": spec.cri_endpoint, "detail": h.detail,
    })
}

/// A line for each thing that belongs to nobody.
fn orphans(h: &v1::Hypervisor) -> Vec<Value> {
    let name = h.spec.clone().unwrap_or_default().name;
    let strays = h.strays.clone().unwrap_or_default();
    let line = |kind: &str, what: &str| json!({"hypervisor": name, "kind": kind, "what": what});
    let nodes = h.orphaned_nodes.iter().map(|what| line("node", what));
    let pods = strays.pods.iter().map(|what| line("pod", what));
    let directories = strays.directories.iter().map(|what| line("directory", what));
    let ports = strays.ports.iter().map(|port| line("port", &port.to_string()));
    nodes.chain(pods).chain(directories).chain(ports).collect()
}

/// A way through a port that clusters share.
fn route(r: &v1::Route) -> String {
    format!("{}:{} → {}/{}", r.name, r.port, r.cluster, r.node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_belongs_to_nobody_has_a_line() {
        let strays = v1::Strays {
            pods: vec!["u/cp-1/etcd".to_owned()],
            directories: vec!["u/cp-1".to_owned()],
            ports: vec![30_001],
        };
        let h = v1::Hypervisor {
            orphaned_nodes: vec!["test/cp-2".to_owned()],
            strays: Some(strays),
            ..v1::Hypervisor::default()
        };
        let all: Vec<String> = orphans(&h).iter().map(|l| format!("{}", l["what"])).collect();
        assert_eq!(all, ["\"test/cp-2\"", "\"u/cp-1/etcd\"", "\"u/cp-1\"", "\"30001\""]);
    }
}
