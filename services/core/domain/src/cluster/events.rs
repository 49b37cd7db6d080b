//! What events about clusters change.

use crate::cluster::{Cluster, ClusterPhase, Kubeconfig};
use crate::fold::by_name;
use crate::job::events::forget_failures;
use crate::node::events::change_nodes;
use crate::state::State;
use oi_events::ClusterEvent;
use std::sync::Arc;

/// The level from which on certificates of etcd peers have a name of their own.
const NAMED_PEERS: u16 = 4;

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &ClusterEvent) {
    match event {
        ClusterEvent::ClusterCreated(e) => {
            let named_peers = state.level() >= NAMED_PEERS;
            state.clusters.insert(
                e.name.clone(),
                Arc::new(Cluster {
                    uid: e.uid,
                    spec: e.spec.clone(),
                    credentials: by_name(&e.credentials),
                    phase: ClusterPhase::Creating,
                    generation: oi_events::Generation(state.position + 1),
                    nodes: Default::default(),
                    kubeconfigs: Default::default(),
                    upgrade: None,
                    hibernated: false,
                    delete_at_ms: None,
                    forget_orphans: false,
                    keep_backups_ms: None,
                    backups_until_ms: None,
                    backups: Default::default(),
                    schedule: None,
                    restore: None,
                    other_cas: Default::default(),
                    rotation: None,
                    addons: None,
                    tunnel: None,
                    needs_tunnel: Vec::new(),
                    endpoint: None,
                    issuers: Default::default(),
                    named_peers,
                }),
            );
        }
        ClusterEvent::ClusterDeletionStarted(e) => {
            let now_ms = state.time_ms;
            if let Some(c) = state.cluster_mut(&e.name) {
                let kept =
                    c.keep_backups_ms.filter(|_| c.backups.keys().any(|b| c.is_readable(*b)));
                c.backups_until_ms = kept.map(|for_ms| now_ms.saturating_add(for_ms));
                c.phase = ClusterPhase::Deleting;
                c.generation = e.generation;
                c.forget_orphans = e.forget_orphans;
            }
        }
        ClusterEvent::ClusterDeleted(e) => {
            if let Some(c) = state.clusters.remove(&e.name) {
                Arc::make_mut(&mut state.deleted).insert(c.uid);
            }
            crate::tenant::events::end(state, &e.name);
            forget_failures(state, |t| t.cluster() == Some(&e.name));
        }
        ClusterEvent::ClusterBecameReady(e) => {
            if let Some(c) = state.cluster_mut(&e.name) {
                c.phase = ClusterPhase::Ready;
            }
        }
        ClusterEvent::ClusterHibernated(e) => {
            if let Some(c) = state.cluster_mut(&e.name) {
                c.hibernated = e.hibernated;
            }
            change_nodes(state, &e.name, e.generation);
        }
        ClusterEvent::ClusterDeletionScheduled(e) => {
            if let Some(c) = state.cluster_mut(&e.name) {
                c.delete_at_ms = e.at_ms;
            }
        }
        ClusterEvent::KubeconfigIssued(e) => {
            let now_ms = state.time_ms;
            if let Some(c) = state.cluster_mut(&e.cluster) {
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
    }
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &ClusterEvent) -> String {
    match event {
        ClusterEvent::ClusterCreated(e) => {
            format!("created with Kubernetes {}", e.spec.kubernetes_version)
        }
        ClusterEvent::ClusterDeletionStarted(_) => "deletion started".to_owned(),
        ClusterEvent::ClusterDeleted(_) => "deleted, its data key destroyed".to_owned(),
        ClusterEvent::ClusterBecameReady(_) => "ready".to_owned(),
        ClusterEvent::ClusterHibernated(e) => {
            let text = if e.hibernated { "to stop, its data stays" } else { "to run again" };
            text.to_owned()
        }
        ClusterEvent::ClusterDeletionScheduled(e) => match e.at_ms {
            Some(at) => format!("to be deleted at {at} (Unix milliseconds)"),
            None => "not to be deleted after all".to_owned(),
        },
        ClusterEvent::KubeconfigIssued(e) => format!(
            "kubeconfig issued to {} in {} (serial {})",
            e.common_name,
            e.organizations.join(","),
            e.serial
        ),
    }
}
