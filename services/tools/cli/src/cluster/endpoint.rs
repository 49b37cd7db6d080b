//! `oi cluster endpoint`, and the flags for one of a new cluster.

use crate::client::Client;
use crate::error::Failure;
use crate::output::Output;
use crate::wait::{self, Wait};
use clap::Args;
use oi_events::Code;
use oi_proto::manifest::{ENDPOINT_PORT, EndpointSpec};
use oi_proto::v1;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::Ipv6Addr;

/// `HOST`, `HOST:PORT`, or `[ADDRESS]:PORT` for IPv6; without a port it is 6443.
fn parse(text: &str) -> Result<EndpointSpec, String> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("{text:?} is no port: write HOST or HOST:PORT, for example api.test:443")),
    };
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let (host, port) = match text.rsplit_once(':') {
        _ if text.parse::<Ipv6Addr>().is_ok() || text.ends_with(']') => (text, ENDPOINT_PORT),
        Some((host, text)) => (host, port(text)?),
        None => (text, ENDPOINT_PORT),
    };
    if host.is_empty() {
        return Err("it names no host: write HOST or HOST:PORT".to_owned());
    }
    Ok(EndpointSpec { host: bare(host), port, forwarded: false })
}

/// Where clients are told to reach a new cluster.
#[derive(Args)]
pub struct EndpointFlags {
    /// Where clients are told to reach its API: a name or address, with 6443 or another port.
    /// Machines with its ingresses listen there too, and pass TLS through by that name, so that
    /// clusters can share a port.
    #[arg(long, value_name = "HOST[:PORT]", value_parser = parse)]
    endpoint: Option<EndpointSpec>,
    /// Something of yours leads from there to the ingresses: they open no further port.
    #[arg(long, requires = "endpoint")]
    endpoint_forwarded: bool,
}

impl EndpointFlags {
    /// What they say.
    pub fn spec(&self) -> Option<EndpointSpec> {
        let endpoint = self.endpoint.clone()?;
        Some(EndpointSpec { forwarded: self.endpoint_forwarded, ..endpoint })
    }
}

/// Where clients are told to reach a cluster's API, and which hypervisors pass it through on
/// ports that clusters share. With an endpoint: let it be that.
#[derive(Args)]
pub struct Endpoint {
    /// Its name.
    name: String,
    /// A name or address, with 6443 or another port.
    #[arg(value_name = "HOST[:PORT]", value_parser = parse)]
    endpoint: Option<EndpointSpec>,
    /// Something of yours leads from there to the ingresses: they open no further port.
    #[arg(long, requires = "endpoint")]
    forwarded: bool,
    /// Its oldest ingress is its endpoint again.
    #[arg(long, conflicts_with = "endpoint")]
    clear: bool,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    output: Output,
}

impl Endpoint {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        if self.endpoint.is_none() && !self.clear {
            return self.show(client).await;
        }
        let endpoint = self.endpoint.as_ref().map(v1::Endpoint::from);
        let endpoint = endpoint.map(|e| v1::Endpoint { forwarded: self.forwarded, ..e });
        let name = &self.name;
        let before = client.cluster(name).await?;
        if before.own_endpoint.is_some() && before.own_endpoint != endpoint {
            eprintln!(
                "cluster {name}: whoever was told {} (kubeconfigs, worker nodes) must be told anew",
                before.endpoint
            );
        }
        client.submit(v1::SetEndpoint { cluster: name.clone(), endpoint }).await?;
        let done = |c: &v1::Cluster, nodes: &[v1::Node]| {
            (c.addons.is_none() || c.configured) && wait::is_ready(c, nodes)
        };
        wait::for_cluster(client, name, self.wait.limit(), done).await
    }

    async fn show(&self, client: &Client) -> Result<(), Failure> {
        let found = client.cluster(&self.name).await?;
        let hypervisors = match client.hypervisors().await {
            // A tenant sees its own clusters only, and so only their ingresses.
            Err(Failure::Rejected { code: Code::Forbidden, .. }) => Vec::new(),
            hypervisors => hypervisors?,
        };
        self.output.list(rows(&found, &hypervisors))
    }
}

/// A row for each way through a shared port, or for each ingress where there is none.
fn rows(c: &v1::Cluster, hypervisors: &[v1::Hypervisor]) -> Vec<Value> {
    let kind = match &c.own_endpoint {
        None => "ingress",
        Some(e) if e.forwarded => "forwarded",
        Some(_) => "shared",
    };
    let mut rows: Vec<Value> = hypervisors.iter().flat_map(|h| routes(h, &c.name)).collect();
    if rows.is_empty() {
        rows.extend(c.ingresses.iter().map(|at| {
            json!({
                "ingress": "", "hypervisor": "", "listens": at, "leadsTo": at, "sharedWith": "",
            })
        }));
    }
    for row in &mut rows {
        row["endpoint"] = json!(c.endpoint);
        row["kind"] = json!(kind);
    }
    rows
}

/// The ways to a cluster through a hypervisor's shared ports, with who else shares them.
fn routes(h: &v1::Hypervisor, cluster: &str) -> Vec<Value> {
    let spec = h.spec.clone().unwrap_or_default();
    let row = |r: &v1::Route| {
        let others = h.routes.iter().filter(|o| o.port == r.port && o.cluster != cluster);
        let others: BTreeSet<_> = others.map(|o| o.cluster.as_str()).collect();
        let others: Vec<_> = others.into_iter().collect();
        json!({
            "ingress": r.node, "hypervisor": spec.name, "listens": socket(&spec.address, r.port),
            "leadsTo": r.to, "sharedWith": others.join(","),
        })
    };
    h.routes.iter().filter(|r| r.cluster == cluster).map(row).collect()
}

/// An address with a port.
fn socket(address: &str, port: u32) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_with_or_without_a_port() {
        let read = |text| parse(text).map(|e| (e.host, e.port));
        assert_eq!(read("api.test"), Ok(("api.test".to_owned(), 6443)));
        assert_eq!(read("10.0.0.1:443"), Ok(("10.0.0.1".to_owned(), 443)));
        assert_eq!(read("[fd00::1]:443"), Ok(("fd00::1".to_owned(), 443)));
        assert_eq!(read("fd00::1"), Ok(("fd00::1".to_owned(), 6443)));
        assert_eq!(read("[fd00::1]"), Ok(("fd00::1".to_owned(), 6443)));
        for wrong in ["api.test:", "api.test:0", "api.test:x", ":443", "a:70000"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_route_names_the_clusters_that_share_its_port() {
        let route = |cluster: &str, port| v1::Route {
            port,
            name: format!("{cluster}.test"),
            cluster: cluster.to_owned(),
            node: "lb-1".to_owned(),
            to: "10.0.0.1:30000".to_owned(),
        };
        let hypervisor = v1::Hypervisor {
            spec: Some(v1::RegisterHypervisor {
                address: "fd00::1".to_owned(),
                ..Default::default()
            }),
            routes: vec![route("a", 443), route("b", 443), route("c", 6443)],
            ..Default::default()
        };
        let cluster = v1::Cluster { name: "a".to_owned(), ..Default::default() };
        let rows = rows(&cluster, &[hypervisor]);
        assert_eq!((rows.len(), &rows[0]["sharedWith"]), (1, &json!("b")));
        assert_eq!(rows[0]["listens"], json!("[fd00::1]:443"));
    }
}
