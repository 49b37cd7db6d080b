//! What events about add-ons change.

use crate::addons::{InstalledAddons, JoinToken};
use crate::job::events::forget_failures;
use crate::state::State;
use oi_events::{AddonsEvent, ClusterName, Cni, Generation, JobKind, JobTarget};
use std::collections::BTreeMap;

/// What is to be in the cluster has changed: the add-ons owe a job of a new generation.
pub(crate) fn owe(state: &mut State, name: &ClusterName) {
    let generation = Generation(state.position + 1);
    let Some(addons) = addons_mut(state, name) else { return };
    (addons.generation, addons.done) = (generation, false);
    forget_failures(
        state,
        |t| matches!(&t, JobTarget::Cluster { name: n, step: JobKind::ReconcileAddons, .. } if n == name),
    );
}

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &AddonsEvent) {
    match event {
        AddonsEvent::AddonsSet(e) => {
            let here = Generation(state.position + 1);
            if let Some(c) = state.cluster_mut(&e.cluster) {
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
        AddonsEvent::JoinTokenCreated(e) => {
            if let Some(addons) = addons_mut(state, &e.cluster) {
                let token = JoinToken {
                    credential: e.credential.clone(),
                    expires_ms: e.expires_ms,
                    description: e.description.clone(),
                };
                addons.tokens.insert(e.token.clone(), token);
            }
        }
        AddonsEvent::JoinTokenEnded(e) => {
            if let Some(addons) = addons_mut(state, &e.cluster) {
                addons.tokens.remove(&e.token);
            }
        }
        AddonsEvent::DriftRepaired(_) => {}
    }
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &AddonsEvent) -> String {
    match event {
        AddonsEvent::AddonsSet(e) => {
            let cni = match e.addons.cni {
                Cni::None => "no network of ours",
                Cni::Flannel => "flannel",
            };
            let others = [("kube-proxy", e.addons.kube_proxy), ("CoreDNS", e.addons.dns)];
            let kept = others.iter().filter(|(_, on)| *on).map(|(name, _)| *name);
            let all: Vec<_> = std::iter::once(cni).chain(kept).collect();
            format!("kept in it for worker nodes: {}", all.join(", "))
        }
        AddonsEvent::JoinTokenCreated(e) => format!(
            "join token {} until {} (Unix milliseconds): {}",
            e.token, e.expires_ms, e.description
        ),
        AddonsEvent::JoinTokenEnded(e) => {
            let how = if e.expired { "expired" } else { "revoked" };
            format!("join token {} {how}", e.token)
        }
        AddonsEvent::DriftRepaired(e) => {
            format!("put right in it: {}", e.objects.join(", "))
        }
    }
}

pub(crate) fn addons_mut<'a>(
    state: &'a mut State,
    cluster: &ClusterName,
) -> Option<&'a mut InstalledAddons> {
    state.cluster_mut(cluster)?.addons.as_mut()
}
