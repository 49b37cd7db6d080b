//! What events about whose a cluster is change.

use crate::state::State;
use oi_events::{ClusterName, TenantEvent};
use std::sync::Arc;

/// Folds an event into the state.
pub(crate) fn fold(state: &mut State, event: &TenantEvent) {
    match event {
        TenantEvent::TenantSet(e) => {
            let here = state.position + 1;
            Arc::make_mut(&mut state.tenants).set(&e.cluster, e.tenant.clone(), here);
        }
    }
}

/// A cluster is gone, and nobody's.
pub(crate) fn end(state: &mut State, cluster: &ClusterName) {
    if state.tenants.of(cluster).is_some() {
        let here = state.position + 1;
        Arc::make_mut(&mut state.tenants).set(cluster, None, here);
    }
}

/// What happened, in a line for people.
pub(crate) fn summary(event: &TenantEvent) -> String {
    match event {
        TenantEvent::TenantSet(e) => match &e.tenant {
            Some(tenant) => format!("is tenant {tenant}'s"),
            None => "is nobody's".to_owned(),
        },
    }
}
