//! Decisions about where clients are told to reach a cluster's API.

use super::node::named;
use super::{Context, next_generation, settled};
use crate::network::check_endpoint;
use crate::placement::can_share;
use crate::rejection::Rejection;
use crate::state::{Cluster, State};
use oi_events::{Endpoint, EndpointSetV1, Event, SetEndpointV1};
use std::net::IpAddr;

pub(super) fn set(
    state: &State,
    c: &SetEndpointV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cluster = settled(state, &c.cluster)?;
    if cluster.endpoint == c.endpoint {
        return Ok(Vec::new());
    }
    let after = Cluster { endpoint: c.endpoint.clone(), ..cluster.clone() };
    if let Some(endpoint) = &c.endpoint {
        check_endpoint(cluster, endpoint)?;
        // Clients of the one would reach the other.
        let same = state.clusters.iter().any(|(name, other)| {
            let theirs = other.endpoint.as_ref();
            *name != c.cluster
                && theirs.is_some_and(|e| (&e.host, e.port) == (&endpoint.host, endpoint.port))
        });
        if same {
            return Err(Rejection::EndpointTaken(endpoint.to_string()));
        }
        check_place(state, cluster, endpoint)?;
        for (_, ingress) in cluster.ingresses() {
            can_share(state, &c.cluster, &after, &ingress.hypervisor)?;
        }
    }
    let generation = next_generation(state);
    let mut events: Vec<Event> = vec![
        EndpointSetV1 { cluster: c.cluster.clone(), generation, endpoint: c.endpoint.clone() }
            .into(),
    ];
    if !is_named_already(cluster, &after) {
        // All API servers get certificates at once, and etcd reads what it trusts at its start.
        if cluster.rotation.is_some() {
            return Err(Rejection::ClusterBusy(c.cluster.clone()));
        }
        events.extend(named(state, &c.cluster, &after, |_| true, context)?);
    }
    Ok(events)
}

/// The address of a hypervisor leads to what is there: to this cluster, if it has an ingress
/// there.
fn check_place(state: &State, cluster: &Cluster, endpoint: &Endpoint) -> Result<(), Rejection> {
    let Ok(ip) = endpoint.host.parse::<IpAddr>() else { return Ok(()) };
    let Some((name, _)) = state.hypervisors.iter().find(|(_, h)| h.spec.address == ip) else {
        return Ok(());
    };
    let ingresses = cluster.ingresses();
    if ingresses.is_empty() || ingresses.iter().any(|(_, n)| n.hypervisor == *name) {
        return Ok(());
    }
    let problem = format!("it is hypervisor {name}'s, where the cluster has no ingress");
    Err(Rejection::Invalid { field: "endpoint", value: endpoint.to_string(), problem })
}

/// Whether certificates of API servers bear the name already.
fn is_named_already(before: &Cluster, after: &Cluster) -> bool {
    let host = |c: &Cluster| c.endpoint.as_ref().map(|e| e.host.clone());
    let Some(new) = host(after) else { return true };
    let ip: Option<IpAddr> = new.parse().ok();
    let same = |san: &String| *san == new || (ip.is_some() && san.parse().ok() == ip);
    host(before).as_ref() == Some(&new) || before.extra_sans.iter().any(same)
}
