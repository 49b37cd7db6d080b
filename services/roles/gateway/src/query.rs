//! The state as messages.

use crate::authentication;
use oi_domain::{
    Backup, Ca, Cluster, ClusterPhase, Hypervisor, InstalledAddons, JobFailure, Node, Peer, Plan,
    PlannedJob, Reach, Route, Scope, State, describe, jobs_in, restarts,
};
use oi_events::{
    BackupId, ClusterName, Cni, Component, Event, Job, JobKind, NodeName, PortUse,
    RegisterHypervisorV1, Role, RotationStage, TunnelPeer,
};
use oi_pki::certificate_pem;
use oi_proto::v1;
use std::sync::Arc;

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
        nodes: u32::try_from(state.nodes_on(&h.spec.name).count()).unwrap_or(u32::MAX),
        since_ms: h.since_ms,
        orphans: u32::try_from(h.orphans.len()).unwrap_or(u32::MAX),
        shared_ports: h.shared_ports.iter().map(|p| u32::from(*p)).collect(),
        routes: state.routes(&h.spec.name).iter().map(route).collect(),
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

fn authentication(c: &Cluster) -> Option<v1::Authentication> {
    let behind = |n: &Node| n.issuers != c.issuers || !n.is_ready();
    let behind = c.carriers(Component::ApiServer).into_iter().filter(|(_, n)| behind(n)).count();
    (!c.issuers.is_empty() || c.pending_rollout().next().is_some()).then(|| v1::Authentication {
        issuers: c.issuers.iter().map(authentication::shown).collect(),
        servers_behind: u32::try_from(behind).unwrap_or(u32::MAX),
    })
}

/// All clusters, or the one of that name.
pub fn clusters<'a>(
    state: &'a State,
    of: Option<&'a ClusterName>,
) -> impl Iterator<Item = (&'a ClusterName, &'a Arc<Cluster>)> {
    state.clusters.iter().filter(move |(name, _)| of.is_none_or(|wanted| wanted == *name))
}

fn addons(addons: &InstalledAddons) -> v1::Addons {
    let cni = match addons.spec.cni {
        Cni::None => v1::Cni::None,
        Cni::Flannel => v1::Cni::Flannel,
    };
    v1::Addons { cni: cni.into(), kube_proxy: addons.spec.kube_proxy, dns: addons.spec.dns }
}

fn tunnel(state: &State, cluster: &Cluster) -> Option<v1::Tunnel> {
    let tunnel = cluster.tunnel.as_ref()?;
    let link = |(who, peer): (&TunnelPeer, &Peer)| {
        let (name, control_plane) = match who {
            TunnelPeer::ControlPlane(node) => (node.to_string(), true),
            TunnelPeer::Worker(worker) => (worker.clone(), false),
        };
        let address = peer.address.to_string();
        v1::TunnelLink { name, control_plane, address, since_ms: peer.since_ms }
    };
    Some(v1::Tunnel {
        cidr: tunnel.cidr.clone(),
        hub: state.tunnel_hub(cluster).map(|hub| hub.to_string()).unwrap_or_default(),
        links: tunnel.peers.iter().map(link).collect(),
    })
}

pub fn cluster(state: &State, name: &ClusterName, c: &Cluster) -> v1::Cluster {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    v1::Cluster {
        spec: Some(v1::CreateCluster {
            name: name.to_string(),
            kubernetes_version: c.kubernetes_version.to_string(),
            pod_cidr: c.pod_cidr.clone(),
            service_cidr: c.service_cidr.clone(),
            dns_domain: c.dns_domain.clone(),
            extra_sans: c.extra_sans.clone(),
        }),
        uid: c.uid.to_string(),
        phase: match c.phase {
            ClusterPhase::Deleting => v1::ClusterPhase::Deleting,
            _ if c.delete_at_ms.is_some() => v1::ClusterPhase::Buried,
            _ if c.hibernated => v1::ClusterPhase::Hibernated,
            ClusterPhase::Creating => v1::ClusterPhase::Creating,
            ClusterPhase::Ready => v1::ClusterPhase::Ready,
        }
        .into(),
        upgrade_to: c.upgrade.as_ref().map(|u| u.target().to_string()).unwrap_or_default(),
        upgrade_paused: c.upgrade.as_ref().is_some_and(|u| u.paused),
        delete_at_ms: c.delete_at_ms.unwrap_or(0),
        restoring: c.restore.as_ref().map(|r| r.backup.to_string()).unwrap_or_default(),
        endpoint: state.endpoint(c).map(|e| e.to_string()).unwrap_or_default(),
        own_endpoint: c.endpoint.as_ref().map(|e| v1::Endpoint {
            host: e.host.clone(),
            port: e.port.into(),
            forwarded: e.forwarded,
        }),
        ingresses: state.endpoints(c).iter().map(ToString::to_string).collect(),
        authentication: authentication(c),
        nodes: count(c.nodes.len()),
        ready_nodes: count(c.nodes.values().filter(|n| n.is_ready()).count()),
        ca_certificate: c
            .trusted(Ca::Kubernetes)
            .iter()
            .map(|ca| certificate_pem(&ca.public))
            .collect(),
        addons: c.addons.as_ref().map(addons),
        configured: c.addons.as_ref().is_some_and(|i| i.done),
        tunnel: tunnel(state, c),
        rotation: c.rotation.as_ref().map(|r| v1::Rotation {
            stage: match r.stage {
                RotationStage::Trust => v1::RotationStage::Trust,
                RotationStage::Switch => v1::RotationStage::Switch,
                RotationStage::Retire => v1::RotationStage::Retire,
            }
            .into(),
            nodes_behind: count(c.staying(|n| r.is_behind(n)).len()),
        }),
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
        versions: n
            .components
            .iter()
            .map(|c| (c.as_str().to_owned(), n.versions.of(*c).to_string()))
            .collect(),
    }
}

/// Jobs that are owed, those that wait after a failure included.
pub fn jobs(state: &State, of: Option<&ClusterName>) -> Vec<v1::Job> {
    let scopes: Vec<Scope> = match of {
        Some(name) => vec![Scope::Cluster(name.clone())],
        None => Scope::all(state).collect(),
    };
    let jobs = scopes.iter().flat_map(|scope| jobs_in(state, scope));
    jobs.map(|j| job(state, &j)).collect()
}

/// How it stands with a job that is owed.
fn job_state(failure: Option<&JobFailure>) -> v1::JobState {
    match failure.and_then(|t| t.retry_at_ms) {
        None => v1::JobState::Due,
        Some(u64::MAX) => v1::JobState::DeadLettered,
        Some(_) => v1::JobState::Paused,
    }
}

pub fn job(state: &State, j: &Job) -> v1::Job {
    let text = |t: Option<&dyn std::fmt::Display>| t.map(ToString::to_string).unwrap_or_default();
    let failure = state.failures.get(&j.id);
    v1::Job {
        id: j.id.to_string(),
        kind: j.kind.token().to_owned(),
        hypervisor: text(j.hypervisor.as_ref().map(|h| h as _)),
        cluster: text(j.cluster.as_ref().map(|c| c as _)),
        node: text(j.node.as_ref().map(|n| n as _)),
        failures: failure.map_or(0, |t| t.attempts),
        message: failure.map(|t| t.message.clone()).unwrap_or_default(),
        retry_at_ms: failure.and_then(|t| t.retry_at_ms).filter(|&at| at < u64::MAX).unwrap_or(0),
        state: job_state(failure).into(),
    }
}

pub fn backups(c: &Cluster) -> v1::ListBackupsResponse {
    let one = |(id, b): (&BackupId, &Backup)| {
        let taken = b.snapshot.as_ref();
        v1::Backup {
            id: id.to_string(),
            requested_at: b.generation.0,
            started_ms: b.started_ms,
            phase: match (b.expired, taken) {
                (true, _) => v1::BackupPhase::Expired,
                (false, None) => v1::BackupPhase::Pending,
                (false, Some(_)) => v1::BackupPhase::Taken,
            }
            .into(),
            position: taken.map_or(0, |s| s.position),
            object: taken.map(|s| s.object.clone()).unwrap_or_default(),
            bytes: taken.map_or(0, |s| s.bytes),
            sha256: taken.map(|s| s.sha256.to_string()).unwrap_or_default(),
        }
    };
    let mut backups: Vec<_> = c.backups.iter().map(one).collect();
    backups.sort_by_key(|b| b.started_ms);
    let (every_ms, keep) = c.schedule.as_ref().map_or((0, 0), |s| (s.every_ms, s.keep));
    v1::ListBackupsResponse { backups, every_ms, keep }
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

pub fn plan(plan: &Plan) -> v1::PlanResponse {
    let text = |t: Option<&dyn std::fmt::Display>| t.map(ToString::to_string).unwrap_or_default();
    let event = |(event, restarts): (&Event, bool)| {
        let about = describe(event);
        v1::PlannedEvent {
            event: event.kind().name.to_owned(),
            cluster: text(about.cluster.as_ref().map(|c| c as _)),
            node: text(about.node.as_ref().map(|n| n as _)),
            hypervisor: text(about.hypervisor.as_ref().map(|h| h as _)),
            summary: about.summary,
            restarts,
        }
    };
    let job = |planned: &PlannedJob| v1::PlannedJob {
        kind: planned.job.kind.token().to_owned(),
        cluster: text(planned.job.cluster.as_ref().map(|c| c as _)),
        node: text(planned.job.node.as_ref().map(|n| n as _)),
        hypervisor: text(planned.job.hypervisor.as_ref().map(|h| h as _)),
        waits: planned.waits,
    };
    v1::PlanResponse {
        position: plan.position,
        refused: plan.refused.as_ref().map(|r| r.code().to_string()).unwrap_or_default(),
        message: text(plan.refused.as_ref().map(|r| r as _)),
        events: plan.events.iter().zip(restarts(plan)).map(event).collect(),
        jobs: plan.jobs.iter().map(job).collect(),
    }
}
