//! Folding events into the state. It never fails and never chooses: an event
//! about something unknown changes nothing.

use crate::owed::JobTarget;
use crate::state::{Cluster, ClusterPhase, Hypervisor, Kubeconfig, Node, Reach, State, Trouble};
use oi_events::{ClusterName, Event, JobId, JobKind, NodeName, RecordedCommit};

/// Folds a whole commit: its events, its command's id and its position.
pub fn apply(state: &mut State, recorded: &RecordedCommit) {
    for event in &recorded.commit.events {
        evolve(state, event);
    }
    let header = &recorded.commit.header;
    state.processed.insert(header.command_id, recorded.position, header.time_ms);
    state.position = recorded.position;
    state.head = recorded.hash;
}

fn node_mut<'a>(
    state: &'a mut State,
    cluster: &ClusterName,
    node: &NodeName,
) -> Option<&'a mut Node> {
    state.clusters.get_mut(cluster)?.nodes.get_mut(node)
}

/// Folds one event.
pub fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::HypervisorRegistered(e) => {
            state.hypervisors.insert(
                e.hypervisor.name.clone(),
                Hypervisor {
                    spec: e.hypervisor.clone(),
                    generation: e.generation,
                    cordoned: false,
                    reach: Reach::Unknown,
                    prepared: false,
                },
            );
        }
        Event::HypervisorCordoned(e) => {
            if let Some(h) = state.hypervisors.get_mut(&e.name) {
                h.cordoned = e.cordoned;
            }
        }
        Event::HypervisorObserved(e) => {
            if let Some(h) = state.hypervisors.get_mut(&e.name) {
                h.reach = if e.reachable {
                    Reach::Reachable(e.detail.clone())
                } else {
                    Reach::Unreachable(e.detail.clone())
                };
            }
        }
        Event::HypervisorUnregistered(e) => {
            state.hypervisors.remove(&e.name);
            forget_troubles(
                state,
                |t| matches!(t, JobTarget::Hypervisor { name, .. } if name == e.name),
            );
        }
        Event::ClusterCreated(e) => {
            state.clusters.insert(
                e.name.clone(),
                Cluster {
                    uid: e.uid,
                    kubernetes_version: e.kubernetes_version.clone(),
                    pod_cidr: e.pod_cidr.clone(),
                    service_cidr: e.service_cidr.clone(),
                    dns_domain: e.dns_domain.clone(),
                    extra_sans: e.extra_sans.clone(),
                    credentials: e
                        .credentials
                        .iter()
                        .map(|c| (c.name.clone(), c.clone()))
                        .collect(),
                    phase: ClusterPhase::Creating,
                    generation: oi_events::Generation(state.position + 1),
                    nodes: Default::default(),
                    kubeconfigs: Default::default(),
                },
            );
        }
        Event::ClusterDeletionStarted(e) => {
            if let Some(c) = state.clusters.get_mut(&e.name) {
                c.phase = ClusterPhase::Deleting;
                c.generation = e.generation;
            }
        }
        Event::ClusterDeleted(e) => {
            state.clusters.remove(&e.name);
            forget_troubles(state, |t| t.cluster() == Some(&e.name));
        }
        Event::ClusterBecameReady(e) => {
            if let Some(c) = state.clusters.get_mut(&e.name) {
                c.phase = ClusterPhase::Ready;
            }
        }
        Event::NodeAdded(e) => {
            if let Some(c) = state.clusters.get_mut(&e.cluster) {
                c.nodes.insert(
                    e.name.clone(),
                    Node {
                        role: e.role,
                        hypervisor: e.hypervisor.clone(),
                        added: e.generation,
                        generation: e.generation,
                        ports: e.ports.iter().map(|p| (p.port_use, p.port)).collect(),
                        credentials: e
                            .credentials
                            .iter()
                            .map(|c| (c.name.clone(), c.clone()))
                            .collect(),
                        done: Default::default(),
                        removing: false,
                        restarts: 0,
                    },
                );
            }
        }
        Event::CertificateReplaced(e) => {
            if let Some(n) = node_mut(state, &e.cluster, &e.node) {
                n.credentials.insert(e.credential.name.clone(), e.credential.clone());
                n.generation = e.generation;
                n.done.clear();
            }
            forget_node_troubles(state, &e.cluster, &e.node);
        }
        Event::NodeChanged(e) => {
            if let Some(n) = node_mut(state, &e.cluster, &e.node) {
                n.generation = e.generation;
                n.done.clear();
            }
            forget_node_troubles(state, &e.cluster, &e.node);
        }
        Event::NodeRemovalStarted(e) => {
            if let Some(n) = node_mut(state, &e.cluster, &e.name) {
                n.removing = true;
                n.generation = e.generation;
                n.done.clear();
            }
            forget_node_troubles(state, &e.cluster, &e.name);
        }
        Event::NodeRemoved(e) => {
            if let Some(c) = state.clusters.get_mut(&e.cluster) {
                c.nodes.remove(&e.name);
            }
            forget_node_troubles(state, &e.cluster, &e.name);
        }
        Event::JobSucceeded(e) => job_done(state, &e.job),
        Event::JobFailed(e) => {
            state.troubles.insert(
                e.job.clone(),
                Trouble {
                    attempts: e.attempt,
                    message: e.message.clone(),
                    retry_at_ms: Some(e.retry_at_ms),
                },
            );
        }
        Event::JobRetried(e) => {
            if let Some(t) = state.troubles.get_mut(&e.job) {
                t.retry_at_ms = None;
            }
        }
        Event::JobAbandoned(e) => {
            let attempts = state.troubles.get(&e.job).map_or(0, |t| t.attempts);
            state.troubles.insert(
                e.job.clone(),
                Trouble {
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
            if let Some(c) = state.clusters.get_mut(&e.cluster) {
                c.kubeconfigs.insert(
                    e.serial.clone(),
                    Kubeconfig {
                        common_name: e.common_name.clone(),
                        organizations: e.organizations.clone(),
                        not_after_ms: e.not_after_ms,
                    },
                );
            }
        }
    }
}

fn job_done(state: &mut State, job: &JobId) {
    state.troubles.remove(job);
    match JobTarget::parse(job) {
        Some(JobTarget::Hypervisor { name, generation }) => {
            if let Some(h) = state.hypervisors.get_mut(&name)
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
                n.done.insert(step);
            }
        }
        Some(JobTarget::Cluster { .. }) | None => {}
    }
}

fn forget_troubles(state: &mut State, about: impl Fn(JobTarget) -> bool) {
    state.troubles.retain(|id, _| !JobTarget::parse(id).is_some_and(&about));
}

fn forget_node_troubles(state: &mut State, cluster: &ClusterName, node: &NodeName) {
    forget_troubles(
        state,
        |t| matches!(t, JobTarget::Node { cluster: c, node: n, .. } if &c == cluster && &n == node),
    );
}
