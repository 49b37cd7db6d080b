//! What an event is about, and what happened, in a line for people.

use oi_events::{
    ClusterName, Cni, Event, HypervisorName, JobId, NodeName, RotationStage, TunnelPeer,
};

/// What an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// The cluster, if any.
    pub cluster: Option<ClusterName>,
    /// The node, if any.
    pub node: Option<NodeName>,
    /// The hypervisor, if any.
    pub hypervisor: Option<HypervisorName>,
    /// The job, if any.
    pub job: Option<JobId>,
    /// What happened.
    pub summary: String,
}

fn hypervisor(name: &HypervisorName, summary: String) -> Description {
    Description { hypervisor: Some(name.clone()), summary, ..Description::default() }
}

fn cluster(name: &ClusterName, summary: String) -> Description {
    Description { cluster: Some(name.clone()), summary, ..Description::default() }
}

fn node(c: &ClusterName, name: &NodeName, summary: String) -> Description {
    Description { node: Some(name.clone()), ..cluster(c, summary) }
}

fn job(id: &JobId, summary: String) -> Description {
    use crate::owed::JobTarget;
    let about = match JobTarget::parse(id) {
        Some(JobTarget::Hypervisor { name, .. }) => hypervisor(&name, summary),
        Some(JobTarget::Node { cluster: c, node: n, .. }) => node(&c, &n, summary),
        Some(JobTarget::Cluster { name, .. }) => cluster(&name, summary),
        Some(JobTarget::Backup { cluster: c, .. }) => cluster(&c, summary),
        Some(JobTarget::Orphan { hypervisor: name, node: n, .. }) => {
            Description { node: Some(n), ..hypervisor(&name, summary) }
        }
        None => Description { summary, ..Description::default() },
    };
    Description { job: Some(id.clone()), ..about }
}

/// Describes an event.
pub fn describe(event: &Event) -> Description {
    match event {
        Event::HypervisorRegistered(e) => {
            let h = &e.hypervisor;
            let kind = if h.public { "public" } else { "private" };
            hypervisor(&h.name, format!("{kind} hypervisor registered at {}", h.cri_endpoint))
        }
        Event::FeatureLevelRaised(e) => Description {
            summary: format!("level {}: servers may write what older ones cannot read", e.level),
            ..Description::default()
        },
        Event::HypervisorCordoned(e) if e.cordoned => {
            hypervisor(&e.name, "takes no new nodes".to_owned())
        }
        Event::PortsShared(e) => {
            let ports: Vec<String> = e.ports.iter().map(ToString::to_string).collect();
            let text = match ports.as_slice() {
                [] => "shares no ports beside those of its range".to_owned(),
                ports => format!("clusters may share its ports {}", ports.join(", ")),
            };
            hypervisor(&e.name, text)
        }
        Event::HypervisorCordoned(e) => hypervisor(&e.name, "takes new nodes again".to_owned()),
        Event::HypervisorObserved(e) if e.reachable => {
            hypervisor(&e.name, format!("answers: {}", e.detail))
        }
        Event::HypervisorObserved(e) => {
            hypervisor(&e.name, format!("does not answer: {}", e.detail))
        }
        Event::HypervisorUnregistered(e) => hypervisor(&e.name, "forgotten".to_owned()),
        Event::ClusterCreated(e) => {
            cluster(&e.name, format!("created with Kubernetes {}", e.kubernetes_version))
        }
        Event::ClusterDeletionStarted(e) => cluster(&e.name, "deletion started".to_owned()),
        Event::ClusterDeleted(e) => cluster(&e.name, "deleted, its data key destroyed".to_owned()),
        Event::ClusterBecameReady(e) => cluster(&e.name, "ready".to_owned()),
        Event::NodeAdded(e) => Description {
            hypervisor: Some(e.hypervisor.clone()),
            ..node(
                &e.cluster,
                &e.name,
                format!("{} node placed on {}", e.role.as_str(), e.hypervisor),
            )
        },
        Event::CertificateReplaced(e) => {
            node(&e.cluster, &e.node, format!("certificate {} replaced", e.credential.name))
        }
        Event::NodeChanged(e) => node(&e.cluster, &e.node, "to be brought up to date".to_owned()),
        Event::NodeRemovalStarted(e) => node(&e.cluster, &e.name, "removal started".to_owned()),
        Event::NodeRemoved(e) => node(&e.cluster, &e.name, "removed".to_owned()),
        Event::NodeReplacementStarted(e) => {
            node(&e.cluster, &e.node, format!("to be replaced by {}", e.by))
        }
        Event::NodeOrphaned(e) => node(
            &e.cluster,
            &e.name,
            "left behind on its hypervisor, which is away: cleared when it is back".to_owned(),
        ),
        Event::OrphanRemoved(e) => {
            hypervisor(&e.hypervisor, format!("what was left of node {} is gone", e.node))
        }
        Event::OrphansForgotten(e) => {
            hypervisor(&e.name, "orphans forgotten".to_owned())
        }
        Event::UpgradeStarted(e) => {
            cluster(&e.name, format!("upgrade from {} to {} started", e.from, e.to))
        }
        Event::UpgradeChanged(e) => cluster(
            &e.name,
            match (e.paused, e.back) {
                (true, _) => "upgrade paused",
                (false, true) => "upgrade rolls back",
                (false, false) => "upgrade goes on",
            }
            .to_owned(),
        ),
        Event::ComponentVersionChanged(e) => {
            let component = e.component.as_str();
            node(&e.cluster, &e.node, format!("{component} to run {}", e.version))
        }
        Event::ComponentsChanged(e) => {
            let all: Vec<_> = e.components.iter().map(|c| c.as_str()).collect();
            let all = if all.is_empty() { "none of them".to_owned() } else { all.join(", ") };
            node(&e.cluster, &e.node, format!("components to run: {all}"))
        }
        Event::BackupStarted(e) => cluster(&e.cluster, format!("backup {} asked for", e.backup)),
        Event::BackupTaken(e) => {
            cluster(&e.cluster, format!("backup {} taken, {} bytes", e.backup, e.snapshot.bytes))
        }
        Event::BackupsScheduled(e) if e.every_ms == 0 => {
            cluster(&e.cluster, "no more backups by themselves".to_owned())
        }
        Event::BackupsScheduled(e) => cluster(
            &e.cluster,
            match e.keep {
                0 => format!("backups every {} s, all kept", e.every_ms / 1000),
                n => format!("backups every {} s, {n} kept", e.every_ms / 1000),
            },
        ),
        Event::BackupExpired(e) => cluster(&e.cluster, format!("backup {} to go", e.backup)),
        Event::BackupDeleted(e) => cluster(&e.cluster, format!("backup {} is gone", e.backup)),
        Event::RestoreStarted(e) => {
            cluster(&e.cluster, format!("to be what backup {} holds", e.backup))
        }
        Event::RestoreEnded(e) => cluster(&e.cluster, format!("backup {} restored", e.backup)),
        Event::MemberBroken(e) => {
            node(&e.cluster, &e.node, format!("etcd member broken: {}", e.reason))
        }
        Event::OrphanForgotten(e) => hypervisor(
            &e.hypervisor,
            format!("what is left of node {} is forgotten: clear it by hand", e.node),
        ),
        Event::UpgradeEnded(e) => cluster(&e.name, format!("runs Kubernetes {}", e.version)),
        Event::ClusterHibernated(e) => {
            let text = if e.hibernated { "to stop, its data stays" } else { "to run again" };
            cluster(&e.name, text.to_owned())
        }
        Event::ClusterDeletionScheduled(e) => cluster(
            &e.name,
            match e.at_ms {
                Some(at) => format!("to be deleted at {at} (Unix milliseconds)"),
                None => "not to be deleted after all".to_owned(),
            },
        ),
        Event::JobSucceeded(e) => job(&e.job, format!("done in {} ms", e.took_ms)),
        Event::JobFailed(e) => {
            job(&e.job, format!("failed (attempt {}): {}", e.attempt, e.message))
        }
        Event::JobRetried(e) => job(&e.job, "due again".to_owned()),
        Event::JobDeadLettered(e) => job(&e.job, "given up by the queue".to_owned()),
        Event::PodRestarted(e) => {
            node(&e.cluster, &e.node, format!("{} started again: {}", e.what, e.reason))
        }
        Event::RotationStarted(e) => {
            cluster(&e.cluster, "new authorities, to be trusted beside the old ones".to_owned())
        }
        Event::RotationAdvanced(e) => cluster(
            &e.cluster,
            match e.stage {
                RotationStage::Trust => "both authorities to be trusted",
                RotationStage::Switch => "the new authorities sign, and the old ones no longer",
                RotationStage::Retire => {
                    "only the authorities that sign to be trusted; what others signed for users is revoked"
                }
            }
            .to_owned(),
        ),
        Event::RotationEnded(e) => cluster(&e.cluster, "authorities replaced".to_owned()),
        Event::AddonsSet(e) => {
            let cni = match e.addons.cni {
                Cni::None => "no network of ours",
                Cni::Flannel => "flannel",
            };
            let others = [("kube-proxy", e.addons.kube_proxy), ("CoreDNS", e.addons.dns)];
            let kept = others.iter().filter(|(_, on)| *on).map(|(name, _)| *name);
            let all: Vec<_> = std::iter::once(cni).chain(kept).collect();
            cluster(&e.cluster, format!("kept in it for worker nodes: {}", all.join(", ")))
        }
        Event::JoinTokenCreated(e) => cluster(
            &e.cluster,
            format!(
                "join token {} until {} (Unix milliseconds): {}",
                e.token, e.expires_ms, e.description
            ),
        ),
        Event::JoinTokenEnded(e) => {
            let how = if e.expired { "expired" } else { "revoked" };
            cluster(&e.cluster, format!("join token {} {how}", e.token))
        }
        Event::DriftRepaired(e) => {
            cluster(&e.cluster, format!("put right in it: {}", e.objects.join(", ")))
        }
        Event::TunnelEnabled(e) => {
            cluster(&e.cluster, format!("a tunnel to its worker nodes, with addresses of {}", e.cidr))
        }
        Event::TunnelPeerAdded(e) => {
            let text = format!("has a link to the tunnel's hub, with address {}", e.address);
            match &e.peer {
                TunnelPeer::ControlPlane(name) => node(&e.cluster, name, text),
                TunnelPeer::Worker(worker) => cluster(&e.cluster, format!("worker {worker} {text}")),
            }
        }
        Event::TunnelPeerRemoved(e) => {
            let who = match &e.peer {
                TunnelPeer::ControlPlane(name) => name.to_string(),
                TunnelPeer::Worker(worker) => format!("worker {worker}"),
            };
            cluster(&e.cluster, format!("{who} has no link to the tunnel's hub any more"))
        }
        Event::EndpointSet(e) => {
            let text = match &e.endpoint {
                Some(endpoint) if endpoint.forwarded => {
                    format!("is reached at {endpoint}, from where others lead to its ingresses")
                }
                Some(endpoint) => format!("is reached at {endpoint}"),
                None => "is reached at its oldest ingress".to_owned(),
            };
            cluster(&e.cluster, text)
        }
        Event::AuthenticationSet(e) => {
            let urls: Vec<&str> = e.issuers.iter().map(|i| i.url.as_str()).collect();
            let text = match urls.as_slice() {
                [] => "nobody else says who its users are".to_owned(),
                urls => format!("who its users are is also said by {}", urls.join(", ")),
            };
            cluster(&e.cluster, text)
        }
        Event::AuthenticationRolledOut(e) => {
            node(&e.cluster, &e.node, "its API server is told who says who users are".to_owned())
        }
        Event::KubeconfigIssued(e) => cluster(
            &e.cluster,
            format!(
                "kubeconfig issued to {} in {} (serial {})",
                e.common_name,
                e.organizations.join(","),
                e.serial
            ),
        ),
    }
}
