//! Clusters and their kubeconfigs, between requests, the state and answers.

use super::{IntoCommand, addons, authentication, count, endpoint, parse, rotation, tunnel};
use crate::rejected::Rejected;
use oi_domain::{Ca, Cluster, ClusterPhase, State};
use oi_events::{
    ClusterName, ClusterSpec, Command, CreateClusterForTenantV1, CreateClusterV1, DeleteClusterV2,
    HibernateClusterV1, ScheduleDeletionV1, SetTenantV1, TenantName, UndeleteClusterV1,
};
use oi_pki::certificate_pem;
use oi_proto::v1;
use std::sync::Arc;

pub fn parse_spec(spec: v1::ClusterSpec) -> Result<ClusterSpec, Rejected> {
    Ok(ClusterSpec {
        kubernetes_version: parse("spec.kubernetes_version", &spec.kubernetes_version)?,
        pod_cidr: spec.pod_cidr,
        service_cidr: spec.service_cidr,
        dns_domain: spec.dns_domain,
        extra_sans: spec.extra_sans,
    })
}

fn show_spec(spec: &ClusterSpec) -> v1::ClusterSpec {
    v1::ClusterSpec {
        kubernetes_version: spec.kubernetes_version.to_string(),
        pod_cidr: spec.pod_cidr.clone(),
        service_cidr: spec.service_cidr.clone(),
        dns_domain: spec.dns_domain.clone(),
        extra_sans: spec.extra_sans.clone(),
    }
}

impl IntoCommand for v1::CreateCluster {
    fn into_command(self) -> Result<Command, Rejected> {
        let spec = self.spec.ok_or_else(|| Rejected::field("spec", "is absent"))?;
        let (name, spec) = (parse("name", &self.name)?, parse_spec(spec)?);
        Ok(match tenant("tenant", &self.tenant)? {
            None => CreateClusterV1 { name, spec }.into(),
            Some(tenant) => CreateClusterForTenantV1 { tenant, name, spec }.into(),
        })
    }
}

impl IntoCommand for v1::SetTenant {
    fn into_command(self) -> Result<Command, Rejected> {
        let (cluster, tenant) = (parse("cluster", &self.cluster)?, tenant("tenant", &self.tenant)?);
        Ok(SetTenantV1 { cluster, tenant }.into())
    }
}

/// A tenant; none where nothing is said.
fn tenant(field: &str, text: &str) -> Result<Option<TenantName>, Rejected> {
    if text.is_empty() { Ok(None) } else { parse(field, text).map(Some) }
}

impl IntoCommand for v1::DeleteCluster {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(DeleteClusterV2 {
            name: parse("name", &self.name)?,
            forget_orphans: self.forget_orphans,
        }
        .into())
    }
}

impl IntoCommand for v1::HibernateCluster {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(HibernateClusterV1 { name: parse("name", &self.name)?, hibernated: self.hibernated }
            .into())
    }
}

impl IntoCommand for v1::ScheduleDeletion {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(ScheduleDeletionV1 { name: parse("name", &self.name)?, grace_ms: self.grace_ms }.into())
    }
}

impl IntoCommand for v1::UndeleteCluster {
    fn into_command(self) -> Result<Command, Rejected> {
        Ok(UndeleteClusterV1 { name: parse("name", &self.name)? }.into())
    }
}

/// All clusters, or the one of that name.
pub fn clusters<'a>(
    state: &'a State,
    of: Option<&'a ClusterName>,
) -> impl Iterator<Item = (&'a ClusterName, &'a Arc<Cluster>)> {
    state.clusters.iter().filter(move |(name, _)| of.is_none_or(|wanted| wanted == *name))
}

pub fn cluster(state: &State, name: &ClusterName, c: &Cluster) -> v1::Cluster {
    v1::Cluster {
        name: name.to_string(),
        spec: Some(show_spec(&c.spec)),
        uid: c.uid.to_string(),
        phase: match c.phase {
            ClusterPhase::Deleting => v1::ClusterPhase::Deleting,
            _ if c.delete_at_ms.is_some() => v1::ClusterPhase::DeletionScheduled,
            _ if c.hibernated => v1::ClusterPhase::Hibernated,
            ClusterPhase::Creating => v1::ClusterPhase::Creating,
            ClusterPhase::Ready => v1::ClusterPhase::Ready,
        }
        .into(),
        upgrade_to: c.upgrade.as_ref().map(|u| u.target().to_string()).unwrap_or_default(),
        upgrade_paused: c.upgrade.as_ref().is_some_and(|u| u.paused),
        delete_at_ms: c.delete_at_ms.unwrap_or(0),
        restoring: c.restore.as_ref().map(|r| r.backup.to_string()).unwrap_or_default(),
        backups_until_ms: c.backups_until_ms.unwrap_or(0),
        endpoint: state.endpoint(c).map(|e| e.to_string()).unwrap_or_default(),
        own_endpoint: c.endpoint.as_ref().map(endpoint::shown),
        ingresses: state.endpoints(c).iter().map(ToString::to_string).collect(),
        authentication: authentication::state(c),
        nodes: count(c.nodes.len()),
        ready_nodes: count(c.nodes.values().filter(|n| n.is_ready()).count()),
        ca_certificate: c
            .trusted(Ca::Kubernetes)
            .iter()
            .map(|ca| certificate_pem(&ca.public))
            .collect(),
        addons: c.addons.as_ref().map(addons::shown),
        configured: c.addons.as_ref().is_some_and(|i| i.done),
        tunnel: tunnel::shown(state, c),
        needs_tunnel: c.needs_tunnel.clone(),
        rotation: rotation::shown(c),
        tenant: state.tenants.of(name).map(ToString::to_string).unwrap_or_default(),
    }
}

pub fn kubeconfigs(c: &Cluster) -> Vec<v1::Kubeconfig> {
    let one = |(serial, k): (&String, &oi_domain::Kubeconfig)| v1::Kubeconfig {
        serial: serial.clone(),
        user: k.common_name.clone(),
        groups: k.organizations.clone(),
        not_after_ms: k.not_after_ms,
    };
    c.kubeconfigs.iter().map(one).collect()
}
