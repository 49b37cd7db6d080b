//! Where a cluster's API is reached, and what leads there.

use crate::cluster::Cluster;
use crate::node::Node;
use crate::state::State;
use oi_events::{
    ClusterName, Component, Endpoint, HypervisorName, NodeName, PortUse, Role, parsed,
};
use std::net::{IpAddr, SocketAddr};

impl State {
    /// Where clients are told to reach a cluster's API: as it was asked for, or at its oldest
    /// ingress. None without an ingress.
    pub fn endpoint(&self, cluster: &Cluster) -> Option<Endpoint> {
        let oldest = *self.endpoints(cluster).first()?;
        let at = |at: SocketAddr| Endpoint {
            host: at.ip().to_string(),
            port: at.port(),
            forwarded: false,
        };
        Some(cluster.endpoint.clone().unwrap_or_else(|| at(oldest)))
    }

    /// Where the ingresses of a cluster listen, the oldest first.
    pub fn endpoints(&self, cluster: &Cluster) -> Vec<SocketAddr> {
        cluster.ingresses().into_iter().filter_map(|(_, node)| self.endpoint_of(node)).collect()
    }

    /// Where pods of a cluster are told to find its API: at its address if it was given one,
    /// at the ingresses that run, or at all of them where none does. None where its API servers say that by themselves, for they
    /// have run since before anything was kept inside of the cluster.
    pub fn advertised_endpoints(&self, cluster: &Cluster) -> Option<Vec<SocketAddr>> {
        let addons = cluster.addons.as_ref()?;
        let servers = cluster.carriers(Component::ApiServer);
        if !servers.iter().all(|(_, n)| addons.is_known_to(n)) {
            return None;
        }
        if let Some(fixed) = cluster.endpoint.as_ref().and_then(fixed_address) {
            return Some(vec![fixed]);
        }
        let of = |wanted: fn(&Node) -> bool| -> Vec<SocketAddr> {
            let ingresses = cluster.ingresses().into_iter().filter(|(_, n)| wanted(n));
            ingresses.filter_map(|(_, n)| self.endpoint_of(n)).collect()
        };
        let ready = of(Node::is_ready);
        Some(if ready.is_empty() { of(|_| true) } else { ready })
    }

    pub(crate) fn endpoint_of(&self, ingress: &Node) -> Option<SocketAddr> {
        self.reached_at(ingress, PortUse::ApiServer)
    }

    /// Where others reach a port of a node, if it has that port.
    pub fn reached_at(&self, node: &Node, port_use: PortUse) -> Option<SocketAddr> {
        let address = self.hypervisors.get(&node.hypervisor)?.spec.address;
        Some(SocketAddr::new(address, *node.ports.get(&port_use)?))
    }

    /// What a machine with ingresses passes through on ports that clusters share.
    pub fn routes(&self, hypervisor: &HypervisorName) -> Vec<Route> {
        let mut routes: Vec<Route> = self
            .nodes_on(hypervisor)
            .filter_map(|(cluster, node, n)| {
                let c = self.clusters.get(cluster).filter(|c| !c.hibernated)?;
                Some(Route {
                    port: c.shared_port_of(n)?,
                    name: c.endpoint.as_ref()?.host.clone(),
                    cluster: cluster.clone(),
                    node: node.clone(),
                    to: self.endpoint_of(n)?,
                })
            })
            .collect();
        routes.sort();
        routes
    }
}

fn fixed_address(endpoint: &Endpoint) -> Option<SocketAddr> {
    Some(SocketAddr::new(parsed(&endpoint.host)?, endpoint.port))
}

/// A way through a port of a hypervisor that clusters share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The port.
    pub port: u16,
    /// The name that clients ask for; an address stands for all that ask for none that is
    /// known.
    pub name: String,
    /// The cluster that they reach.
    pub cluster: ClusterName,
    /// Its ingress there.
    pub node: NodeName,
    /// Where that listens itself.
    pub to: SocketAddr,
}

impl Route {
    /// Whether it is for clients that ask for no name.
    pub fn is_default(&self) -> bool {
        self.name.parse::<IpAddr>().is_ok()
    }
}

impl Cluster {
    /// The port on which machines with its ingresses pass TLS through to them; none where its
    /// ingresses are reached by their own ports alone.
    pub fn shared_port(&self) -> Option<u16> {
        self.endpoint.as_ref().filter(|e| !e.forwarded).map(|e| e.port)
    }

    /// The same of a machine with this node: none but for an ingress that is to stay.
    pub fn shared_port_of(&self, node: &Node) -> Option<u16> {
        let ingress = node.role == Role::ControlPlaneIngress && !node.removing;
        self.shared_port().filter(|_| ingress)
    }

    /// Whether it takes a shared port for clients that ask for no name.
    pub fn is_default_there(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|e| e.host.parse::<IpAddr>().is_ok())
    }
}
