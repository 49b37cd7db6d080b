//! Folding events into the state. It never fails and never chooses: an event about
//! something unknown changes nothing.

use crate::state::State;
use crate::{
    addons, authentication, backup, cluster, endpoint, feature_level, hypervisor, job, node,
    rotation, tenant, tunnel, upgrade,
};
use oi_events::{ClusterName, Credential, Effect, Event, RecordedCommit};
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

/// Where its API and the hub of its tunnel are.
fn ways(state: &State, name: &ClusterName) -> (Option<Vec<SocketAddr>>, Option<SocketAddr>) {
    let cluster = state.clusters.get(name);
    cluster.map_or((None, None), |c| (state.advertised_endpoints(c), state.tunnel_hub(c)))
}

/// Folds one event.
pub fn evolve(state: &mut State, event: &Event) {
    let facts = event.facts();
    let Some(cluster) = facts.about.cluster else { return fold(state, event) };
    let reconcile = match facts.effect {
        Effect::Nothing => {
            fold(state, event);
            false
        }
        Effect::Addons => {
            fold(state, event);
            true
        }
        Effect::Routes => {
            let before = ways(state, &cluster);
            fold(state, event);
            ways(state, &cluster) != before
        }
    };
    if reconcile {
        addons::events::owe(state, &cluster);
    }
}

fn fold(state: &mut State, event: &Event) {
    match event {
        Event::Hypervisor(e) => hypervisor::events::fold(state, e),
        Event::Cluster(e) => cluster::events::fold(state, e),
        Event::Node(e) => node::events::fold(state, e),
        Event::Upgrade(e) => upgrade::events::fold(state, e),
        Event::Backup(e) => backup::events::fold(state, e),
        Event::Rotation(e) => rotation::events::fold(state, e),
        Event::Addons(e) => addons::events::fold(state, e),
        Event::Tunnel(e) => tunnel::events::fold(state, e),
        Event::Endpoint(e) => endpoint::events::fold(state, e),
        Event::Authentication(e) => authentication::events::fold(state, e),
        Event::Tenant(e) => tenant::events::fold(state, e),
        Event::Job(e) => job::events::fold(state, e),
        Event::FeatureLevel(e) => feature_level::events::fold(state, e),
    }
}

/// Credentials by their names.
pub(crate) fn by_name(credentials: &[Credential]) -> Arc<BTreeMap<String, Credential>> {
    Arc::new(credentials.iter().map(|c| (c.name.clone(), c.clone())).collect())
}
