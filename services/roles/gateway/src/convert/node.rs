//! Nodes, between requests, the state and answers.

use super::{IntoCommand, parse};
use crate::rejected::Rejected;
use oi_domain::Node;
use oi_events::{
    AddNodeV1, ClusterName, Command, JobKind, NodeName, PortUse, RemoveNodeV1, ReplaceNodeV1, Role,
    ScaleClusterV1,
};
use oi_proto::v1;

impl IntoCommand for v1::ScaleCluster {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(ScaleClusterV1 {
            name: parse("name", &self.name)?,
            api_servers: self.api_servers,
            controller_managers: self.controller_managers,
            schedulers: self.schedulers,
        }
        .into())
    }
}

impl IntoCommand for v1::AddNode {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(AddNodeV1 {
            cluster: parse("cluster", &self.cluster)?,
            name: parse("name", &self.name)?,
            role: match self.role() {
                v1::Role::ControlPlane => Role::ControlPlane,
                v1::Role::ControlPlaneIngress => Role::ControlPlaneIngress,
                v1::Role::ApiServer => Role::ApiServer,
                v1::Role::Unspecified => {
                    return Err(Rejected::field("role", "is unknown or absent"));
                }
            },
            hypervisor: match self.hypervisor.as_str() {
                "" => None,
                name => Some(parse("hypervisor", name)?),
            },
        }
        .into())
    }
}

impl IntoCommand for v1::RemoveNode {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(RemoveNodeV1 {
            cluster: parse("cluster", &self.cluster)?,
            name: parse("name", &self.name)?,
        }
        .into())
    }
}

impl IntoCommand for v1::ReplaceNode {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(ReplaceNodeV1 {
            cluster: parse("cluster", &self.cluster)?,
            name: parse("name", &self.name)?,
        }
        .into())
    }
}

pub fn node(cluster: &ClusterName, name: &NodeName, n: &Node) -> v1::Node {
    let port_name = |p: PortUse| match p {
        PortUse::ApiServer => "apiserver",
        PortUse::EtcdClient => "etcd-client",
        PortUse::EtcdPeer => "etcd-peer",
        PortUse::Wireguard => "wireguard",
    };
    v1::Node {
        cluster: cluster.to_string(),
        name: name.to_string(),
        role: match n.role {
            Role::ControlPlane => v1::Role::ControlPlane,
            Role::ControlPlaneIngress => v1::Role::ControlPlaneIngress,
            Role::ApiServer => v1::Role::ApiServer,
        }
        .into(),
        hypervisor: n.hypervisor.to_string(),
        phase: match (n.removing, n.is_ready()) {
            (true, _) => v1::NodePhase::Removing,
            (false, true) => v1::NodePhase::Ready,
            (false, false) if n.done.contains(&JobKind::StopNode) => v1::NodePhase::Stopped,
            (false, false) => v1::NodePhase::Starting,
        }
        .into(),
        generation: n.generation.0,
        ports: n
            .ports
            .iter()
            .map(|(p, port)| (port_name(*p).to_owned(), u32::from(*port)))
            .collect(),
        restarts: n.restarts,
        predecessors: n.predecessors.iter().map(ToString::to_string).collect(),
        versions: n
            .components
            .iter()
            .map(|c| (c.as_str().to_owned(), n.versions.of(*c).to_string()))
            .collect(),
    }
}
