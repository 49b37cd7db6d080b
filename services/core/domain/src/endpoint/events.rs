//! What events about a cluster's endpoint change.

use crate::node::events::change_node;
use crate::state::State;
use oi_events::{EndpointEvent, NodeName};

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &EndpointEvent) {
    match event {
        EndpointEvent::EndpointSet(e) => {
            let Some(c) = state.cluster_mut(&e.cluster) else { return };
            c.endpoint = e.endpoint.clone();
            let ingresses: Vec<NodeName> =
                c.ingresses().into_iter().map(|(name, _)| name.clone()).collect();
            for node in ingresses {
                change_node(state, &e.cluster, &node, e.generation);
            }
        }
        EndpointEvent::ExtraSansSet(e) => {
            if let Some(c) = state.cluster_mut(&e.cluster) {
                c.spec.extra_sans = e.extra_sans.clone();
            }
        }
    }
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &EndpointEvent) -> String {
    match event {
        EndpointEvent::EndpointSet(e) => match &e.endpoint {
            Some(endpoint) if endpoint.forwarded => {
                format!("is reached at {endpoint}, from where others lead to its ingresses")
            }
            Some(endpoint) => format!("is reached at {endpoint}"),
            None => "is reached at its oldest ingress".to_owned(),
        },
        EndpointEvent::ExtraSansSet(e) if e.extra_sans.is_empty() => {
            "its certificates have no further names".to_owned()
        }
        EndpointEvent::ExtraSansSet(e) => {
            format!("its certificates have the further names {}", e.extra_sans.join(", "))
        }
    }
}
