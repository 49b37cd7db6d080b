//! Decisions about where clients are told to reach a cluster's API.

use crate::cluster::Cluster;
use crate::cluster::spec::check_sans;
use crate::decide::Context;
use crate::guards::{next_generation, settled};
use crate::node::certificates::named;
use crate::placement::can_share;
use crate::rejection::Rejection;
use crate::state::State;
use crate::validate::{is_host_name, parse_cidr};
use oi_events::{
    ClusterSpec, Endpoint, EndpointCommand, EndpointSetV1, Event, ExtraSansSetV1, Limit,
    SetEndpointV1, SetExtraSansV1, parsed,
};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Decides a command.
pub(crate) fn decide(
    state: &State,
    command: &EndpointCommand,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    match command {
        EndpointCommand::SetEndpoint(c) => set(state, c, context),
        EndpointCommand::SetExtraSans(c) => set_sans(state, c, context),
    }
}

/// Certificates are made anew also where a name goes: it may be somebody else's from now on.
fn set_sans(
    state: &State,
    c: &SetExtraSansV1,
    context: &Context<'_>,
) -> Result<Vec<Event>, Rejection> {
    let cluster = settled(state, &c.cluster)?;
    let all = |sans: &[String]| sans.iter().cloned().collect::<BTreeSet<_>>();
    if all(&cluster.spec.extra_sans) == all(&c.extra_sans) {
        return Ok(Vec::new());
    }
    check_sans(&c.extra_sans)?;
    if cluster.rotation.is_some() {
        return Err(Rejection::ClusterBusy(c.cluster.clone()));
    }
    let (name, extra_sans) = (c.cluster.clone(), c.extra_sans.clone());
    let spec = ClusterSpec { extra_sans: extra_sans.clone(), ..cluster.spec.clone() };
    let after = Cluster { spec, ..cluster.clone() };
    let mut events: Vec<Event> = vec![ExtraSansSetV1 { cluster: name, extra_sans }.into()];
    events.extend(named(state, &c.cluster, &after, |_| true, context)?);
    Ok(events)
}

fn set(state: &State, c: &SetEndpointV1, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
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
    let ip: Option<IpAddr> = parsed(&new);
    let same = |san: &String| *san == new || (ip.is_some() && parsed(san) == ip);
    host(before).as_ref() == Some(&new) || before.spec.extra_sans.iter().any(same)
}

/// A name or address that clients can ask for.
fn check_endpoint(cluster: &Cluster, endpoint: &Endpoint) -> Result<(), Rejection> {
    const FIELD: &str = "endpoint";
    let invalid = |problem: &str| {
        let (value, problem) = (endpoint.to_string(), problem.to_owned());
        Err(Rejection::Invalid { field: FIELD, value, problem })
    };
    if endpoint.port == 0 {
        return invalid("its port is none");
    }
    let Ok(ip) = endpoint.host.parse::<IpAddr>() else {
        return match is_host_name(&endpoint.host) {
            true => Ok(()),
            false => invalid(Limit::HostName.problem()),
        };
    };
    if ip.to_string() != endpoint.host {
        return invalid(&format!("write the address as {ip}"));
    }
    // What Endpoints and EndpointSlices of Kubernetes may not hold.
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    if ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() || link_local {
        return invalid("its address is none that pods on other machines can reach");
    }
    let services = parse_cidr("service CIDR", &cluster.spec.service_cidr)?;
    if services.addr().is_ipv4() != ip.is_ipv4() {
        return invalid("its address is not of the service CIDR's family: use a name");
    }
    for (field, cidr) in
        [("pod CIDR", &cluster.spec.pod_cidr), ("service CIDR", &cluster.spec.service_cidr)]
    {
        if parse_cidr(field, cidr)?.contains(&ip) {
            let (a, b_field, b) = (endpoint.host.clone(), field.to_owned(), cidr.clone());
            return Err(Rejection::Overlap { a_field: FIELD, a, b_field, b });
        }
    }
    Ok(())
}
