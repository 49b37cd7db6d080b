//! Hypervisors, between requests, the state and answers.

use super::{IntoCommand, count, parse, port};
use crate::rejected::Rejected;
use oi_domain::{Hypervisor, Reach, Route, State};
use oi_events::{
    Command, CordonHypervisorV1, ForgetOrphansV1, RegisterHypervisorV1, SharePortsV1, TlsFiles,
    UnregisterHypervisorV1, UpdateHypervisorV1,
};
use oi_proto::v1;

fn parse_spec(spec: v1::RegisterHypervisor) -> Result<RegisterHypervisorV1, Rejected> {
    Ok(RegisterHypervisorV1 {
        name: parse("name", &spec.name)?,
        cri_endpoint: spec.cri_endpoint,
        tls: spec.tls.map(|t| TlsFiles {
            ca_file: t.ca_file,
            certificate_file: t.certificate_file,
            key_file: t.key_file,
        }),
        public: spec.public,
        address: parse("address", &spec.address)?,
        port_low: port("port_low", spec.port_low)?,
        port_high: port("port_high", spec.port_high)?,
        data_dir: spec.data_dir,
        max_nodes: (spec.max_nodes > 0).then_some(spec.max_nodes),
    })
}

impl IntoCommand for v1::RegisterHypervisor {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(parse_spec(self)?.into())
    }
}

impl IntoCommand for v1::UpdateHypervisor {
    fn into_command(self) -> Result<Command, Rejected> {
        let spec = self.spec.ok_or_else(|| Rejected::field("spec", "is absent"))?;
        Ok(UpdateHypervisorV1 { hypervisor: parse_spec(spec)? }.into())
    }
}

impl IntoCommand for v1::SharePorts {
    fn into_command(self) -> Result<Command, Rejected> {
        let ports = self.ports.into_iter().map(|p| port("ports", p)).collect::<Result<_, _>>()?;
        Ok(SharePortsV1 { name: parse("name", &self.name)?, ports }.into())
    }
}

impl IntoCommand for v1::CordonHypervisor {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(CordonHypervisorV1 { name: parse("name", &self.name)?, cordoned: self.cordoned }.into())
    }
}

impl IntoCommand for v1::UnregisterHypervisor {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(UnregisterHypervisorV1 { name: parse("name", &self.name)? }.into())
    }
}

impl IntoCommand for v1::ForgetOrphans {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(ForgetOrphansV1 { name: parse("name", &self.name)? }.into())
    }
}

fn spec(h: &RegisterHypervisorV1) -> v1::RegisterHypervisor {
    v1::RegisterHypervisor {
        name: h.name.to_string(),
        cri_endpoint: h.cri_endpoint.clone(),
        tls: h.tls.as_ref().map(|t| v1::TlsFiles {
            ca_file: t.ca_file.clone(),
            certificate_file: t.certificate_file.clone(),
            key_file: t.key_file.clone(),
        }),
        public: h.public,
        address: h.address.to_string(),
        port_low: h.port_low.into(),
        port_high: h.port_high.into(),
        data_dir: h.data_dir.clone(),
        max_nodes: h.max_nodes.unwrap_or(0),
    }
}

pub fn hypervisor(state: &State, h: &Hypervisor) -> v1::Hypervisor {
    let (reach, detail) = match &h.reach {
        Reach::Unknown => (v1::Reach::Unknown, ""),
        Reach::Reachable(runtime) => (v1::Reach::Reachable, runtime.as_str()),
        Reach::Unreachable(reason) => (v1::Reach::Unreachable, reason.as_str()),
    };
    v1::Hypervisor {
        spec: Some(spec(&h.spec)),
        cordoned: h.cordoned,
        reach: reach.into(),
        detail: detail.to_owned(),
        nodes: count(state.nodes_on(&h.spec.name).count()),
        since_ms: h.since_ms,
        orphans: count(h.orphans.len()),
        shared_ports: h.shared_ports.iter().map(|p| u32::from(*p)).collect(),
        routes: state.routes(&h.spec.name).iter().map(route).collect(),
        orphaned_nodes: h.orphans.iter().map(|o| format!("{}/{}", o.cluster, o.node)).collect(),
        strays: Some(v1::Strays {
            pods: h.strays.pods.clone(),
            directories: h.strays.directories.clone(),
            ports: h.strays.ports.iter().map(|p| u32::from(*p)).collect(),
        }),
    }
}

fn route(route: &Route) -> v1::Route {
    v1::Route {
        port: route.port.into(),
        name: route.name.clone(),
        cluster: route.cluster.to_string(),
        node: route.node.to_string(),
        to: route.to.to_string(),
    }
}
