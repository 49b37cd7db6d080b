//! What events about a cluster's external users change.

use crate::node::events::change_node;
use crate::state::State;
use oi_events::AuthenticationEvent;
use std::sync::Arc;

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &AuthenticationEvent) {
    match event {
        AuthenticationEvent::AuthenticationSet(e) => {
            if let Some(c) = state.cluster_mut(&e.cluster) {
                c.issuers = Arc::new(e.issuers.clone());
            }
        }
        AuthenticationEvent::AuthenticationRolledOut(e) => {
            if let Some(c) = state.cluster_mut(&e.cluster) {
                let issuers = c.issuers.clone();
                if let Some(n) = c.nodes.get_mut(&e.node).map(Arc::make_mut) {
                    n.issuers = issuers;
                }
            }
            change_node(state, &e.cluster, &e.node, e.generation);
        }
    }
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &AuthenticationEvent) -> String {
    match event {
        AuthenticationEvent::AuthenticationSet(e) => {
            let urls: Vec<&str> = e.issuers.iter().map(|i| i.url.as_str()).collect();

            match urls.as_slice() {
                [] => "nobody else says who its users are".to_owned(),
                urls => format!("who its users are is also said by {}", urls.join(", ")),
            }
        }
        AuthenticationEvent::AuthenticationRolledOut(_) => {
            "its API server is told who says who users are".to_owned()
        }
    }
}
