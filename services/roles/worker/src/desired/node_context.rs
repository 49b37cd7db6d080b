//! A node, with everything of the state that its pods depend on.

use super::{DesiredError, PodSpec, names};
use oi_domain::{Ca, Cluster, Hypervisor, Node, State};
use oi_events::{ClusterName, NodeName, PortUse};
use oi_pki::certificate_pem;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// A snapshot of a node and of what its pods depend on.
pub struct NodeContext {
    /// The cluster's name.
    pub cluster_name: ClusterName,
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// The node's name.
    pub name: NodeName,
    /// The node.
    pub node: Arc<Node>,
    /// The hypervisor that it runs on.
    pub hypervisor: Arc<Hypervisor>,
    /// The hypervisors of all nodes of the cluster.
    pub hypervisors: BTreeMap<NodeName, Arc<Hypervisor>>,
    /// Where the hub of the cluster's tunnel listens.
    pub hub: Option<SocketAddr>,
}

impl NodeContext {
    /// Takes a node out of the state.
    pub fn find(state: &State, cluster: &ClusterName, node: &NodeName) -> Option<NodeContext> {
        let c = state.clusters.get(cluster)?;
        let n = c.nodes.get(node)?;
        let of = |n: &Node| state.hypervisors.get(&n.hypervisor).cloned();
        Some(NodeContext {
            cluster_name: cluster.clone(),
            cluster: c.clone(),
            name: node.clone(),
            node: n.clone(),
            hypervisor: of(n)?,
            hypervisors: c.nodes.iter().filter_map(|(k, n)| Some((k.clone(), of(n)?))).collect(),
            hub: state.tunnel_hub(c),
        })
    }

    /// The node's directory on its hypervisor.
    pub fn dir(&self) -> String {
        names::node_dir(&self.hypervisor, self.cluster.uid, &self.name)
    }

    /// A host port of the node.
    pub fn port(&self, port_use: PortUse) -> Result<u16, DesiredError> {
        self.node.ports.get(&port_use).copied().ok_or(DesiredError::NoPort(port_use))
    }

    /// The address at which others reach a port of a node of this cluster.
    pub fn address_of(
        &self,
        name: &NodeName,
        node: &Node,
        port_use: PortUse,
    ) -> Result<SocketAddr, DesiredError> {
        let unknown = || DesiredError::Unknown(name.to_string());
        let h = self.hypervisors.get(name).ok_or_else(unknown)?;
        let port = node.ports.get(&port_use).ok_or(DesiredError::NoPort(port_use))?;
        Ok(SocketAddr::new(h.spec.address, *port))
    }

    /// The address at which others reach a port of this node.
    pub fn address(&self, port_use: PortUse) -> Result<SocketAddr, DesiredError> {
        self.address_of(&self.name, &self.node, port_use)
    }

    /// The trusted certificates of a CA of the cluster, PEM.
    pub(super) fn trusted(&self, ca: Ca) -> String {
        self.cluster.trusted(ca).iter().map(|c| certificate_pem(&c.public)).collect()
    }

    /// A pod of the node, without containers.
    pub fn pod(&self, pod: &str) -> PodSpec {
        PodSpec {
            name: format!("{pod}-{}", self.name),
            namespace: self.cluster_name.to_string(),
            uid: format!("{}-{}-{pod}", self.cluster.uid, self.name),
            hostname: format!("{pod}-{}", self.name).chars().take(63).collect(),
            identity: names::pod_labels(self.cluster.uid, &self.name, pod),
            labels: names::extra_labels(&self.cluster_name),
            generation: self.node.generation.0,
            directory: self.dir(),
            log_directory: format!("{}/log/{pod}", self.dir()),
            ..PodSpec::default()
        }
    }
}
