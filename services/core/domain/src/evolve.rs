//! Folding events into the state. It never fails and never chooses: an event
//! about something unknown changes nothing.

use crate::mint::{Ca, fingerprint};
use crate::owed::JobTarget;
use crate::state::{
    Backup, Cluster, ClusterPhase, Hypervisor, InstalledAddons, JobFailure, JoinToken, Kubeconfig,
    Node, Orphan, Peer, Reach, Restore, Rotation, Schedule, State, Tunnel, Upgrade, Versions,
};
use oi_events::{
    BackupId, ClusterName, ClusterUid, Component, Credential, Event, Generation, Hash,
    HypervisorName, JobId, JobKind, NodeName, NodeOrphanedV1, NodePortV1, RecordedCommit, Role,
    RotationStage, TunnelEnabledV1, TunnelPeer,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Folds a whole commit: its events, its command's id and its position.
pub fn apply(state: &mut State, recorded: &RecordedCommit) {
    let header = &recorded.commit.header;
    state.time_ms = header.time_ms;
    for event in &recorded.commit.events {
        evolve(state, event);
    }
    Arc::make_mut(&mut state.processed).insert(
        header.command_id,
        recorded.position,
        header.time_ms,
    );
    state.position = recorded.position;
    state.head = recorded.hash;
}

/// Steps of a restore that come before those of a start.
const RESTORED: [JobKind; 2] = [JobKind::StopNode, JobKind::RestoreEtcd];

// What is shared with a copy of the state is copied when it changes, and only then.
fn cluster_mut<'a>(state: &'a mut State, name: &ClusterName) -> Option<&'a mut Cluster> {
    state.clusters.get_mut(name).map(Arc::make_mut)
}

fn hypervisor_mut<'a>(state: &'a mut State, name: &HypervisorName) -> Option<&'a mut Hypervisor> {
    state.hypervisors.get_mut(name).map(Arc::make_mut)
}

fn backup_mut<'a>(
    state: &'a mut State,
    cluster: &ClusterName,
    backup: BackupId,
) -> Option<&'a mut Backup> {
    cluster_mut(state, cluster)?.backups.get_mut(&backup)
}

fn node_mut<'a>(
    state: &'a mut State,
    cluster: &ClusterName,
    node: &NodeName,
) -> Option<&'a mut Node> {
    cluster_mut(state, cluster)?.nodes.get_mut(node).map(Arc::make_mut)
}

fn addons_mut<'a>(state: &'a mut State, cluster: &ClusterName) -> Option<&'a mut InstalledAddons> {
    cluster_mut(state, cluster)?.addons.as_mut()
}

/// The cluster inside of which something else is to be kept after an event: other parts or
/// tokens, another release, other authorities.
fn changes_inside(event: &Event) -> Option<&ClusterName> {
    match event {
        Event::AddonsSet(e) => Some(&e.cluster),
        Event::JoinTokenCreated(e) => Some(&e.cluster),
        Event::JoinTokenEnded(e) => Some(&e.cluster),
        Event::UpgradeEnded(e) => Some(&e.name),
        Event::RotationStarted(e) => Some(&e.cluster),
        Event::RotationAdvanced(e) => Some(&e.cluster),
        Event::RotationEnded(e) => Some(&e.cluster),
        Event::RestoreEnded(e) => Some(&e.cluster),
        Event::TunnelEnabled(e) => Some(&e.cluster),
        Event::TunnelPeerAdded(e) => Some(&e.cluster),
        Event::TunnelPeerRemoved(e) => Some(&e.cluster),
        Event::EndpointSet(e) => Some(&e.cluster),
        _ => None,
    }
}

/// The cluster of which an event may change where its API is, or who says so inside of it.
fn may_move_api(event: &Event) -> Option<ClusterName> {
    match event {
        Event::NodeAdded(e) => Some(e.cluster.clone()),
        Event::NodeRemovalStarted(e) => Some(e.cluster.clone()),
        Event::NodeRemoved(e) => Some(e.cluster.clone()),
        Event::NodeOrphaned(e) => Some(e.cluster.clone()),
        Event::NodeChanged(e) => Some(e.cluster.clone()),
        Event::CertificateReplaced(e) => Some(e.cluster.clone()),
        Event::ComponentsChanged(e) => Some(e.cluster.clone()),
        Event::ComponentVersionChanged(e) => Some(e.cluster.clone()),
        Event::ClusterHibernated(e) => Some(e.name.clone()),
        Event::RestoreStarted(e) => Some(e.cluster.clone()),
        // An ingress that runs, perhaps.
        Event::JobSucceeded(e) if !e.job.0.ends_with(JobKind::EnsureIngress.token()) => None,
        Event::JobSucceeded(e) => match JobTarget::parse(&e.job) {
            Some(JobTarget::Node { cluster, step: JobKind::EnsureIngress, .. }) => Some(cluster),
            _ => None,
        },
        _ => None,
    }
}

/// Where its API and the hub of its tunnel are.
fn ways(state: &State, name: &ClusterName) -> (Option<Vec<SocketAddr>>, Option<SocketAddr>) {
    let cluster = state.clusters.get(name);
    cluster.map_or((None, None), |c| (state.advertised_endpoints(c), state.tunnel_hub(c)))
}

/// Folds one event.
pub fn evolve(state: &mut State, event: &Event) {
    let moved = may_move_api(event);
    let before = moved.as_ref().map(|name| ways(state, name));
    fold(state, event);
    let moved = moved.filter(|name| Some(ways(state, name)) != before);
    if let Some(name) = changes_inside(event).or(moved.as_ref()) {
        let generation = Generation(state.position + 1);
        let addons = addons_mut(state, name);
        if let Some(addons) = addons {
            (addons.generation, addons.done) = (generation, false);
            forget_failures(
                state,
                |t| matches!(&t, JobTarget::Cluster { name: n, step: JobKind::ReconcileAddons, .. } if n == name),
            );
        }
    }
}

fn fold(state: &mut State, event: &Event) {
    match event {
        Event::HypervisorRegistered(e) => {
            state.hypervisors.insert(
                e.hypervisor.name.clone(),
                Arc::new(Hypervisor {
                    spec: e.hypervisor.clone(),
                    generation: e.generation,
                    cordoned: false,
                    reach: Reach::Unknown,
                    since_ms: state.time_ms,
                    prepared: false,
                    orphans: Vec::new(),
                    shared_ports: Default::default(),
                }),
            );
        }
        Event::PortsShared(e) => {
            if let Some(h) = hypervisor_mut(state, &e.name) {
                h.shared_ports = e.ports.iter().copied().collect();
            }
        }
        Event::HypervisorCordoned(e) => {
            if let Some(h) = hypervisor_mut(state, &e.name) {
                h.cordoned = e.cordoned;
            }
        }
        Event::HypervisorObserved(e) => {
            let time_ms = state.time_ms;
            if let Some(h) = hypervisor_mut(state, &e.name) {
                if h.is_away() == e.reachable {
                    h.since_ms = time_ms;
                }
                h.reach = if e.reachable {
                    Reach::Reachable(e.detail.clone())
                } else {
                    Reach::Unreachable(e.detail.clone())
                };
            }
        }
        Event::HypervisorUnregistered(e) => {
            state.hypervisors.remove(&e.name);
            forget_failures(state, |t| t.hypervisor() == Some(&e.name));
        }
        Event::ClusterCreated(e) => {
            state.clusters.insert(
                e.name.clone(),
                Arc::new(Cluster {
                    uid: e.uid,
                    kubernetes_version: e.kubernetes_version.clone(),
                    pod_cidr: e.pod_cidr.clone(),
                    service_cidr: e.service_cidr.clone(),
                    dns_domain: e.dns_domain.clone(),
                    extra_sans: e.extra_sans.clone(),
                    credentials: by_name(&e.credentials),
                    phase: ClusterPhase::Creating,
                    generation: oi_events::Generation(state.position + 1),
                    nodes: Default::default(),
                    kubeconfigs: Default::default(),
                    upgrade: None,
                    hibernated: false,
                    delete_at_ms: None,
                    forget_orphans: false,
                    backups: Default::default(),
                    schedule: None,
                    restore: None,
                    other_cas: Default::default(),
                    rotation: None,
                    addons: None,
                    tunnel: None,
                    endpoint: None,
                    issuers: Default::default(),
                }),
            );
        }
        Event::ClusterDeletionStarted(e) => {
            if let Some(c) = cluster_mut(state, &e.name) {
                c.phase = ClusterPhase::Deleting;
                c.generation = e.generation;
                c.forget_orphans = e.forget_orphans;
            }
        }
        Event::ClusterDeleted(e) => {
            state.clusters.remove(&e.name);
            forget_failures(state, |t| t.cluster() == Some(&e.name));
        }
        Event::ClusterBecameReady(e) => {
            if let Some(c) = cluster_mut(state, &e.name) {
                c.phase = ClusterPhase::Ready;
            }
        }
        Event::NodeAdded(e) => {
            let time_ms = state.time_ms;
            if let Some(c) = cluster_mut(state, &e.cluster) {
                let versions = Versions::all(&c.kubernetes_version);
                let issuers = c.issuers.clone();
                c.nodes.insert(
                    e.name.clone(),
                    Arc::new(Node {
                        role: e.role,
                        hypervisor: e.hypervisor.clone(),
                        added: e.generation,
                        generation: e.generation,
                        ports: e.ports.iter().map(|p| (p.port_use, p.port)).collect(),
                        credentials: by_name(&e.credentials),
                        done: Default::default(),
                        removing: false,
                        restarts: 0,
                        joined: false,
                        replaces: None,
                        components: default_components(e.role).iter().copied().collect(),
                        versions,
                        issuers,
                        broken: false,
                        renew_at_ms: e
                            .credentials
                            .iter()
                            .filter_map(|c| Some((c.name.clone(), renew_at_ms(c, time_ms)?)))
                            .collect(),
                    }),
                );
            }
        }
        Event::CertificateReplaced(e) => {
            let renew_at_ms = renew_at_ms(&e.credential, state.time_ms);
            if let Some(n) = node_mut(state, &e.cluster, &e.node) {
                n.renew_at_ms.extend(renew_at_ms.map(|at| (e.credential.name.clone(), at)));
                Arc::make_mut(&mut n.credentials)
                    .insert(e.credential.name.clone(), e.credential.clone());
                n.generation = e.generation;
                // What a restore has done is not done again.
                n.done.retain(|step| RESTORED.contains(step));
            }
            forget_node_failures(state, &e.cluster, &e.node);
        }
        Event::NodeChanged(e) => change_node(state, &e.cluster, &e.node, e.generation),
        Event::NodeReplacementStarted(e) => {
            if let Some(n) = node_mut(state, &e.cluster, &e.by) {
                n.replaces = Some(e.node.clone());
            }
        }
        Event::NodeOrphaned(e) => orphan_node(state, e),
        Event::OrphanRemoved(e) => {
            forget_orphan(state, &e.hypervisor, e.cluster_uid, &e.node);
        }
        Event::OrphansForgotten(e) => {
            if let Some(h) = hypervisor_mut(state, &e.name) {
                h.orphans.clear();
            }
            forget_failures(
                state,
                |t| matches!(&t, JobTarget::Orphan { hypervisor, .. } if *hypervisor == e.name),
            );
        }
        Event::UpgradeStarted(e) => {
            if let Some(c) = cluster_mut(state, &e.name) {
                let (from, to) = (e.from.clone(), e.to.clone());
                c.upgrade = Some(Upgrade { from, to, paused: false, back: false });
            }
        }
        Event::UpgradeChanged(e) => {
            let upgrade = cluster_mut(state, &e.name).and_then(|c| c.upgrade.as_mut());
            if let Some(upgrade) = upgrade {
                (upgrade.paused, upgrade.back) = (e.paused, e.back);
            }
        }
        Event::ComponentVersionChanged(e) => {
            if let Some(n) = node_mut(state, &e.cluster, &e.node) {
                n.versions.set(e.component, e.version.clone());
                n.generation = e.generation;
                n.done.remove(&JobKind::EnsureControlPlane);
            }
            forget_node_failures(state, &e.cluster, &e.node);
        }
        Event::UpgradeEnded(e) => {
            if let Some(c) = cluster_mut(state, &e.name) {
                c.kubernetes_version = e.version.clone();
                c.upgrade = None;
            }
        }
        Event::ComponentsChanged(e) => {
            let Some(c) = cluster_mut(state, &e.cluster) else { return };
            if let Some(n) = c.nodes.get_mut(&e.node).map(Arc::make_mut) {
                if !n.components.contains(&Component::ApiServer) {
                    n.issuers = c.issuers.clone();
                }
                for component in e.components.iter().filter(|c| !n.components.contains(c)) {
                    n.versions.set(*component, c.kubernetes_version.clone());
                }
                n.components = e.components.iter().copied().collect();
                n.generation = e.generation;
                n.done.remove(&JobKind::EnsureControlPlane);
            }
            forget_node_failures(state, &e.cluster, &e.node);
        }
        Event::MemberBroken(e) => {
            if let Some(n) = node_mut(state, &e.cluster, &e.node) {
                n.broken = true;
            }
        }
        Event::OrphanForgotten(e) => {
            forget_orphan(state, &e.hypervisor, e.cluster_uid, &e.node);
        }
        Event::ClusterHibernated(e) => {
            let Some(c) = cluster_mut(state, &e.name) else { return };
            c.hibernated = e.hibernated;
            let nodes: Vec<NodeName> = c.nodes.keys().cloned().collect();
            for node in nodes {
                change_node(state, &e.name, &node, e.generation);
            }
        }
        Event::ClusterDeletionScheduled(e) => {
            if let Some(c) = cluster_mut(state, &e.name) {
                c.delete_at_ms = e.at_ms;
            }
        }
        Event::BackupStarted(e) => {
            let started_ms = state.time_ms;
            if let Some(c) = cluster_mut(state, &e.cluster) {
                let generation = e.generation;
                let backup = Backup { generation, started_ms, snapshot: None, expired: false };
                c.backups.insert(e.backup, backup);
            }
        }
        Event::BackupTaken(e) => {
            if let Some(b) = backup_mut(state, &e.cluster, e.backup) {
                b.snapshot = Some(e.snapshot.clone());
            }
            forget_failures(state, |t| t.backup() == Some(e.backup));
        }
        Event::BackupExpired(e) => {
            if let Some(b) = backup_mut(state, &e.cluster, e.backup) {
                (b.expired, b.generation) = (true, e.generation);
            }
            forget_failures(state, |t| t.backup() == Some(e.backup));
        }
        Event::BackupDeleted(e) => {
            if let Some(c) = cluster_mut(state, &e.cluster) {
                c.backups.remove(&e.backup);
            }
            forget_failures(state, |t| t.backup() == Some(e.backup));
        }
        Event::BackupsScheduled(e) => {
            let (every_ms, keep, since_ms) = (e.every_ms, e.keep, state.time_ms);
            if let Some(c) = cluster_mut(state, &e.cluster) {
                c.schedule = (every_ms > 0).then_some(Schedule { every_ms, keep, since_ms });
            }
        }
        Event::RestoreStarted(e) => {
            let Some(c) = cluster_mut(state, &e.cluster) else { return };
            let (backup, source, snapshot) = (e.backup, e.source, e.snapshot.clone());
            c.restore = Some(Restore { backup, source, snapshot });
            let nodes: Vec<NodeName> = c.nodes.keys().cloned().collect();
            for node in nodes {
                change_node(state, &e.cluster, &node, e.generation);
            }
        }
        Event::RestoreEnded(e) => {
            if let Some(c) = cluster_mut(state, &e.cluster) {
                c.restore = None;
            }
        }
        Event::NodeRemovalStarted(e) => {
            if let Some(n) = node_mut(state, &e.cluster, &e.name) {
                n.removing = true;
                n.generation = e.generation;
                n.done.clear();
            }
            forget_node_failures(state, &e.cluster, &e.name);
        }
        Event::NodeRemoved(e) => {
            if let Some(c) = cluster_mut(state, &e.cluster) {
                c.nodes.remove(&e.name);
                unlink(c, &e.name);
            }
            forget_node_failures(state, &e.cluster, &e.name);
        }
        Event::JobSucceeded(e) => job_done(state, &e.job),
        Event::JobFailed(e) => {
            state.failures.insert(
                e.job.clone(),
                JobFailure {
                    attempts: e.attempt,
                    message: e.message.clone(),
                    retry_at_ms: Some(e.retry_at_ms),
                },
            );
        }
        Event::JobRetried(e) => {
            if let Some(t) = state.failures.get_mut(&e.job) {
                t.retry_at_ms = None;
            }
        }
        Event::JobDeadLettered(e) => {
            let attempts = state.failures.get(&e.job).map_or(0, |t| t.attempts);
            state.failures.insert(
                e.job.clone(),
                JobFailure {
                    attempts,
                    message: "delivered too often without any outcome".to_owned(),
                    retry_at_ms: Some(u64::MAX),
                },
            );
        }
        Event::PodRestarted(e) => {
            if let Some(n) = node_mut(state, &e.cluster, &e.node) {
                n.restarts = n.restarts.saturating_add(1);
            }
        }
        Event::KubeconfigIssued(e) => {
            let now_ms = state.time_ms;
            if let Some(c) = cluster_mut(state, &e.cluster) {
                let kubeconfigs = Arc::make_mut(&mut c.kubeconfigs);
                kubeconfigs.retain(|_, k| k.not_after_ms > now_ms);
                kubeconfigs.insert(
                    e.serial.clone(),
                    Kubeconfig {
                        common_name: e.common_name.clone(),
                        organizations: e.organizations.clone(),
                        not_after_ms: e.not_after_ms,
                        issuer: e.issuer,
                    },
                );
            }
        }
        Event::RotationStarted(e) => {
            let since_ms = state.time_ms;
            if let Some(c) = cluster_mut(state, &e.cluster) {
                c.other_cas = e.credentials.iter().map(|a| (a.name.clone(), a.clone())).collect();
                let (stage, generation) = (RotationStage::Trust, e.generation);
                c.rotation = Some(Rotation { stage, generation, since_ms });
            }
        }
        Event::RotationAdvanced(e) => {
            let since_ms = state.time_ms;
            if let Some(c) = cluster_mut(state, &e.cluster) {
                match e.stage {
                    RotationStage::Trust => {}
                    RotationStage::Switch => switch_cas(c, since_ms),
                    RotationStage::Retire => retire_cas(c),
                }
                let (stage, generation) = (e.stage, e.generation);
                c.rotation = Some(Rotation { stage, generation, since_ms });
            }
        }
        Event::FeatureLevelRaised(e) => state.raised = e.level,
        Event::AddonsSet(e) => {
            let here = Generation(state.position + 1);
            if let Some(c) = cluster_mut(state, &e.cluster) {
                let (tokens, since) = c
                    .addons
                    .take()
                    .map_or_else(|| (BTreeMap::new(), here), |i| (i.tokens, i.since));
                let addons = e.addons.clone();
                c.addons = Some(InstalledAddons {
                    spec: addons,
                    tokens,
                    generation: here,
                    done: false,
                    since,
                });
            }
        }
        Event::JoinTokenCreated(e) => {
            if let Some(addons) = addons_mut(state, &e.cluster) {
                let token = JoinToken {
                    credential: e.credential.clone(),
                    expires_ms: e.expires_ms,
                    description: e.description.clone(),
                };
                addons.tokens.insert(e.token.clone(), token);
            }
        }
        Event::JoinTokenEnded(e) => {
            if let Some(addons) = addons_mut(state, &e.cluster) {
                addons.tokens.remove(&e.token);
            }
        }
        Event::DriftRepaired(_) => {}
        Event::TunnelEnabled(e) => enable_tunnel(state, e),
        Event::TunnelPeerAdded(e) => {
            let since_ms = state.time_ms;
            if let Some(tunnel) = cluster_mut(state, &e.cluster).and_then(|c| c.tunnel.as_mut()) {
                let peer = Peer { public_key: e.public_key, address: e.address, since_ms };
                tunnel.peers.insert(e.peer.clone(), peer);
            }
        }
        Event::TunnelPeerRemoved(e) => {
            if let Some(tunnel) = cluster_mut(state, &e.cluster).and_then(|c| c.tunnel.as_mut()) {
                tunnel.peers.remove(&e.peer);
            }
        }
        Event::RotationEnded(e) => {
            if let Some(c) = cluster_mut(state, &e.cluster) {
                c.rotation = None;
            }
        }
        Event::EndpointSet(e) => {
            let Some(c) = cluster_mut(state, &e.cluster) else { return };
            c.endpoint = e.endpoint.clone();
            let ingresses: Vec<NodeName> =
                c.ingresses().into_iter().map(|(name, _)| name.clone()).collect();
            for node in ingresses {
                change_node(state, &e.cluster, &node, e.generation);
            }
        }
        Event::AuthenticationSet(e) => {
            if let Some(c) = cluster_mut(state, &e.cluster) {
                c.issuers = Arc::new(e.issuers.clone());
            }
        }
        Event::AuthenticationRolledOut(e) => {
            if let Some(c) = cluster_mut(state, &e.cluster) {
                let issuers = c.issuers.clone();
                if let Some(n) = c.nodes.get_mut(&e.node).map(Arc::make_mut) {
                    n.issuers = issuers;
                }
            }
            change_node(state, &e.cluster, &e.node, e.generation);
        }
    }
}

fn by_name(credentials: &[Credential]) -> Arc<BTreeMap<String, Credential>> {
    Arc::new(credentials.iter().map(|c| (c.name.clone(), c.clone())).collect())
}

/// The new authorities sign, and all that the old ones signed is due.
fn switch_cas(c: &mut Cluster, now_ms: u64) {
    let credentials = Arc::make_mut(&mut c.credentials);
    for (name, other) in &mut c.other_cas {
        if let Some(signs) = credentials.get_mut(name) {
            std::mem::swap(signs, other);
        }
    }
    for at in c.nodes.values_mut().map(Arc::make_mut).flat_map(|n| n.renew_at_ms.values_mut()) {
        *at = now_ms.min(*at);
    }
}

/// What does not sign is not trusted, nor is what it signed for users.
fn retire_cas(c: &mut Cluster) {
    let switched = c.rotation.as_ref().is_some_and(|r| r.stage == RotationStage::Switch);
    let gone = c.other_cas.remove(Ca::Kubernetes.name()).map(|a| fingerprint(&a));
    c.other_cas.clear();
    Arc::make_mut(&mut c.kubeconfigs).retain(|_, k| {
        let by_unknown = k.issuer == Hash::ZERO && switched;
        Some(k.issuer) != gone && !by_unknown
    });
}

/// What a node runs that nothing else was said of.
pub(crate) fn default_components(role: Role) -> &'static [Component] {
    match role {
        Role::ControlPlane => &Component::ALL,
        Role::ControlPlaneIngress => &[],
        Role::ApiServer => &[Component::ApiServer],
    }
}

/// Two thirds into a certificate's life; none where it has no end.
fn renew_at_ms(credential: &Credential, now_ms: u64) -> Option<u64> {
    let life = credential.not_after_ms.checked_sub(now_ms)?;
    (credential.not_after_ms > 0).then(|| now_ms + life / 3 * 2)
}

/// What must run on a node is another now.
fn change_node(state: &mut State, cluster: &ClusterName, node: &NodeName, generation: Generation) {
    if let Some(n) = node_mut(state, cluster, node) {
        n.generation = generation;
        n.done.clear();
    }
    forget_node_failures(state, cluster, node);
}

/// A node that is gone has no link.
fn unlink(cluster: &mut Cluster, node: &NodeName) {
    if let Some(tunnel) = &mut cluster.tunnel {
        tunnel.peers.remove(&TunnelPeer::ControlPlane(node.clone()));
    }
}

fn enable_tunnel(state: &mut State, e: &TunnelEnabledV1) {
    let Some(c) = cluster_mut(state, &e.cluster) else { return };
    c.tunnel = Some(Tunnel { cidr: e.cidr.clone(), peers: BTreeMap::new() });
    let credential = e.credential.clone();
    Arc::make_mut(&mut c.credentials).insert(credential.name.clone(), credential);
    for NodePortV1 { node, port } in &e.ports {
        if let Some(node) = c.nodes.get_mut(node).map(Arc::make_mut) {
            node.ports.insert(port.port_use, port.port);
        }
    }
    let concerned = |n: &Node| {
        n.role == Role::ControlPlaneIngress || n.components.contains(&Component::ApiServer)
    };
    let nodes: Vec<NodeName> =
        c.staying(concerned).into_iter().map(|(name, _)| name.clone()).collect();
    for node in nodes {
        change_node(state, &e.cluster, &node, e.generation);
    }
}

fn orphan_node(state: &mut State, e: &NodeOrphanedV1) {
    let Some(c) = cluster_mut(state, &e.cluster) else { return };
    let Some(node) = c.nodes.remove(&e.name) else { return };
    unlink(c, &e.name);
    let orphan = Orphan {
        cluster: e.cluster.clone(),
        cluster_uid: c.uid,
        node: e.name.clone(),
        ports: node.ports.clone(),
        generation: e.generation,
    };
    if let Some(h) = hypervisor_mut(state, &node.hypervisor) {
        h.orphans.push(orphan);
    }
    forget_node_failures(state, &e.cluster, &e.name);
}

fn forget_orphan(
    state: &mut State,
    hypervisor: &HypervisorName,
    cluster_uid: ClusterUid,
    node: &NodeName,
) {
    if let Some(h) = hypervisor_mut(state, hypervisor) {
        h.orphans.retain(|l| l.cluster_uid != cluster_uid || l.node != *node);
    }
}

fn job_done(state: &mut State, job: &JobId) {
    state.failures.remove(job);
    match JobTarget::parse(job) {
        Some(JobTarget::Hypervisor { name, generation }) => {
            if let Some(h) = hypervisor_mut(state, &name)
                && h.generation == generation
            {
                h.prepared = true;
            }
        }
        Some(JobTarget::Node { cluster, node, generation, step }) => {
            if let Some(n) = node_mut(state, &cluster, &node)
                && n.generation == generation
                && step != JobKind::RemoveNode
            {
                n.joined |= step == JobKind::EnsureEtcd;
                n.done.insert(step.clone());
            }
            if step == JobKind::RestoreEtcd {
                restored(state, &cluster, &node);
            }
        }
        Some(JobTarget::Cluster { name, generation, step: JobKind::ReconcileAddons }) => {
            if let Some(addons) = addons_mut(state, &name)
                && addons.generation == generation
            {
                addons.done = true;
            }
        }
        Some(JobTarget::Cluster { .. } | JobTarget::Orphan { .. } | JobTarget::Backup { .. })
        | None => {}
    }
}

/// The oldest member begins a new membership, which the others join.
fn restored(state: &mut State, cluster: &ClusterName, node: &NodeName) {
    let Some(c) = cluster_mut(state, cluster) else { return };
    let first = c.is_oldest(node);
    if let Some(n) = c.nodes.get_mut(node).map(Arc::make_mut) {
        (n.joined, n.broken) = (first, false);
    }
}

fn forget_failures(state: &mut State, about: impl Fn(JobTarget) -> bool) {
    state.failures.retain(|id, _| !JobTarget::parse(id).is_some_and(&about));
}

fn forget_node_failures(state: &mut State, cluster: &ClusterName, node: &NodeName) {
    forget_failures(
        state,
        |t| matches!(t, JobTarget::Node { cluster: c, node: n, .. } if &c == cluster && &n == node),
    );
}
