//! Requests to commands: everything that can be wrong with their form.

use crate::authentication;
use crate::rejected::Rejected;
use oi_events::*;
use oi_proto::v1::{self, submit_request::Command as Asked};
use oi_view::now_ms;
use std::fmt::Display;
use std::str::FromStr;

/// A field that does not parse is named.
pub fn parse<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<T, Rejected> {
    text.parse().map_err(|e| Rejected::field(field, e))
}

fn port(field: &str, value: u32) -> Result<u16, Rejected> {
    u16::try_from(value).map_err(|_| Rejected::field(field, format!("{value} is not a port")))
}

/// Who asks: something that can stand in a header and is not endless.
pub fn actor(text: &str) -> Result<String, Rejected> {
    let fits = (1..=200).contains(&text.len()) && !text.chars().any(char::is_control);
    if fits && !text.starts_with("system:") {
        return Ok(text.to_owned());
    }
    Err(Rejected::field(
        "actor",
        "say who asks, in 1 to 200 characters without line breaks; system: is reserved",
    ))
}

/// A request of which it is only asked what it would do.
pub fn planned(request: v1::SubmitRequest) -> Result<CommandEnvelope, Rejected> {
    let or = |text: String, other: String| if text.is_empty() { other } else { text };
    envelope(v1::SubmitRequest {
        command_id: or(request.command_id, uuid::Uuid::now_v7().to_string()),
        actor: or(request.actor, "plan".to_owned()),
        ..request
    })
}

/// Reads a request; refuses what is malformed before anything is stored.
pub fn envelope(request: v1::SubmitRequest) -> Result<CommandEnvelope, Rejected> {
    let id: CommandId = parse("command_id", &request.command_id)?;
    let asked = request.command.ok_or_else(|| Rejected::field("command", "is absent"))?;
    Ok(CommandEnvelope {
        id,
        actor: actor(&request.actor)?,
        issued_at_ms: if request.issued_at_ms == 0 { now_ms() } else { request.issued_at_ms },
        correlation: id,
        expected_position: (request.expected_position > 0).then_some(request.expected_position),
        command: command(asked)?,
    })
}

fn command(asked: Asked) -> Result<Command, Rejected> {
    Ok(match asked {
        Asked::RegisterHypervisor(r) => RegisterHypervisorV1 {
            name: parse("name", &r.name)?,
            cri_endpoint: r.cri_endpoint,
            tls: r.tls.map(|t| TlsFiles {
                ca_file: t.ca_file,
                certificate_file: t.certificate_file,
                key_file: t.key_file,
            }),
            public: r.public,
            address: parse("address", &r.address)?,
            port_low: port("port_low", r.port_low)?,
            port_high: port("port_high", r.port_high)?,
            data_dir: r.data_dir,
            max_nodes: (r.max_nodes > 0).then_some(r.max_nodes),
        }
        .into(),
        Asked::SharePorts(r) => {
            let ports = r.ports.into_iter().map(|p| port("ports", p)).collect::<Result<_, _>>()?;
            SharePortsV1 { name: parse("name", &r.name)?, ports }.into()
        }
        Asked::CordonHypervisor(r) => {
            CordonHypervisorV1 { name: parse("name", &r.name)?, cordoned: r.cordoned }.into()
        }
        Asked::UnregisterHypervisor(r) => {
            UnregisterHypervisorV1 { name: parse("name", &r.name)? }.into()
        }
        Asked::CreateCluster(r) => CreateClusterV1 {
            name: parse("name", &r.name)?,
            kubernetes_version: parse("kubernetes_version", &r.kubernetes_version)?,
            pod_cidr: r.pod_cidr,
            service_cidr: r.service_cidr,
            dns_domain: r.dns_domain,
            extra_sans: r.extra_sans,
        }
        .into(),
        Asked::DeleteCluster(r) => {
            DeleteClusterV2 { name: parse("name", &r.name)?, forget_orphans: r.forget_orphans }
                .into()
        }
        Asked::ScaleCluster(r) => ScaleClusterV1 {
            name: parse("name", &r.name)?,
            api_servers: r.api_servers,
            controller_managers: r.controller_managers,
            schedulers: r.schedulers,
        }
        .into(),
        Asked::AddNode(r) => AddNodeV1 {
            cluster: parse("cluster", &r.cluster)?,
            name: parse("name", &r.name)?,
            role: match r.role() {
                v1::Role::ControlPlane => Role::ControlPlane,
                v1::Role::ControlPlaneIngress => Role::ControlPlaneIngress,
                v1::Role::ApiServer => Role::ApiServer,
                v1::Role::Unspecified => {
                    return Err(Rejected::field("role", "is unknown or absent"));
                }
            },
            hypervisor: match r.hypervisor.as_str() {
                "" => None,
                name => Some(parse("hypervisor", name)?),
            },
        }
        .into(),
        Asked::RemoveNode(r) => {
            RemoveNodeV1 { cluster: parse("cluster", &r.cluster)?, name: parse("name", &r.name)? }
                .into()
        }
        Asked::ReplaceNode(r) => {
            ReplaceNodeV1 { cluster: parse("cluster", &r.cluster)?, name: parse("name", &r.name)? }
                .into()
        }
        Asked::BackupCluster(r) => BackupClusterV1 { name: parse("name", &r.name)? }.into(),
        Asked::ScheduleBackups(r) => {
            ScheduleBackupsV1 { name: parse("name", &r.name)?, every_ms: r.every_ms, keep: r.keep }
                .into()
        }
        Asked::DeleteBackup(r) => DeleteBackupV1 {
            cluster: parse("cluster", &r.cluster)?,
            backup: parse("backup", &r.backup)?,
        }
        .into(),
        Asked::RestoreCluster(r) => {
            RestoreClusterV1 { name: parse("name", &r.name)?, backup: parse("backup", &r.backup)? }
                .into()
        }
        Asked::CloneCluster(r) => CloneClusterV1 {
            name: parse("name", &r.name)?,
            source: parse("source", &r.source)?,
            backup: parse("backup", &r.backup)?,
        }
        .into(),
        Asked::UpgradeCluster(r) => {
            UpgradeClusterV1 { name: parse("name", &r.name)?, to: parse("to", &r.to)? }.into()
        }
        Asked::ChangeUpgrade(r) => ChangeUpgradeV1 {
            name: parse("name", &r.name)?,
            change: match r.change() {
                v1::UpgradeChange::Pause => UpgradeChange::Pause,
                v1::UpgradeChange::Resume => UpgradeChange::Resume,
                v1::UpgradeChange::RollBack => UpgradeChange::RollBack,
                v1::UpgradeChange::Unspecified => {
                    return Err(Rejected::field("change", "is unknown or absent"));
                }
            },
        }
        .into(),
        Asked::RotateCa(r) => RotateCaV1 {
            name: parse("name", &r.name)?,
            step: match r.step() {
                v1::RotationStep::Start => RotationStep::Start,
                v1::RotationStep::Switch => RotationStep::Switch,
                v1::RotationStep::Finish => RotationStep::Finish,
                v1::RotationStep::Abort => RotationStep::Abort,
                v1::RotationStep::Unspecified => {
                    return Err(Rejected::field("step", "is unknown or absent"));
                }
            },
        }
        .into(),
        Asked::HibernateCluster(r) => {
            HibernateClusterV1 { name: parse("name", &r.name)?, hibernated: r.hibernated }.into()
        }
        Asked::ScheduleDeletion(r) => {
            ScheduleDeletionV1 { name: parse("name", &r.name)?, grace_ms: r.grace_ms }.into()
        }
        Asked::UndeleteCluster(r) => UndeleteClusterV1 { name: parse("name", &r.name)? }.into(),
        Asked::ForgetOrphans(r) => ForgetOrphansV1 { name: parse("name", &r.name)? }.into(),
        Asked::RetryJob(r) => RetryJobV1 { job: JobId(r.job) }.into(),
        Asked::RaiseFeatureLevel(r) => {
            let level =
                u16::try_from(r.level).map_err(|_| Rejected::field("level", "is no level"))?;
            RaiseFeatureLevelV1 { level }.into()
        }
        Asked::SetAddons(r) => {
            let addons = r.addons.ok_or_else(|| Rejected::field("addons", "is absent"))?;
            SetAddonsV1 {
                cluster: parse("cluster", &r.cluster)?,
                addons: Addons {
                    cni: match addons.cni() {
                        v1::Cni::None => Cni::None,
                        v1::Cni::Flannel => Cni::Flannel,
                        v1::Cni::Unspecified => {
                            return Err(Rejected::field("addons.cni", "is unknown or absent"));
                        }
                    },
                    kube_proxy: addons.kube_proxy,
                    dns: addons.dns,
                },
            }
            .into()
        }
        Asked::CreateJoinToken(r) => CreateJoinTokenV1 {
            cluster: parse("cluster", &r.cluster)?,
            expires_ms: r.expires_ms,
            description: r.description,
        }
        .into(),
        Asked::RevokeJoinToken(r) => RevokeJoinTokenV1 {
            cluster: parse("cluster", &r.cluster)?,
            token: parse("token", &r.token)?,
        }
        .into(),
        Asked::EnableTunnel(r) => {
            EnableTunnelV1 { cluster: parse("cluster", &r.cluster)?, cidr: r.cidr }.into()
        }
        Asked::SetEndpoint(r) => {
            let endpoint = |e: v1::Endpoint| -> Result<Endpoint, Rejected> {
                let port = port("endpoint.port", e.port)?;
                Ok(Endpoint { host: e.host, port, forwarded: e.forwarded })
            };
            SetEndpointV1 {
                cluster: parse("cluster", &r.cluster)?,
                endpoint: r.endpoint.map(endpoint).transpose()?,
            }
            .into()
        }
        Asked::SetAuthentication(r) => SetAuthenticationV1 {
            cluster: parse("cluster", &r.cluster)?,
            issuers: r.issuers.into_iter().map(authentication::issuer).collect::<Result<_, _>>()?,
        }
        .into(),
        Asked::CancelJob(r) => CancelJobV1 { job: JobId(r.job) }.into(),
    })
}
