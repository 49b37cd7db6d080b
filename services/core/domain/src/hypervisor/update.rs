//! Decisions about what a hypervisor is to be from here on.

use crate::guards::next_generation;
use crate::hypervisor::Hypervisor;
use crate::hypervisor::check::{check, check_address, check_endpoint};
use crate::rejection::Rejection;
use crate::state::State;
use oi_events::{Event, HypervisorUpdatedV1, RegisterHypervisorV1};

/// Nodes that are there notice nothing: what they depend on stays.
pub(crate) fn update(state: &State, after: &RegisterHypervisorV1) -> Result<Vec<Event>, Rejection> {
    let unknown = || Rejection::HypervisorUnknown(after.name.clone());
    let known = state.hypervisors.get(&after.name).ok_or_else(unknown)?;
    if known.spec == *after {
        return Ok(Vec::new());
    }
    let invalid = |problem| Rejection::HypervisorInvalid { name: after.name.clone(), problem };
    check(after).map_err(invalid)?;
    // What was accepted once, by the rules of then, may stay.
    if after.address != known.spec.address {
        check_address(state, after)?;
    }
    if after.cri_endpoint != known.spec.cri_endpoint {
        check_endpoint(state, after)?;
    }
    check_fixed(state, known, after).map_err(invalid)?;
    check_ports(state, known, after)?;
    let hypervisor = after.clone();
    let generation = is_elsewhere(&known.spec, after).then(|| next_generation(state));
    Ok(vec![HypervisorUpdatedV1 { hypervisor, generation }.into()])
}

/// Whether another way leads to it, so that it must be looked at.
fn is_elsewhere(before: &RegisterHypervisorV1, after: &RegisterHypervisorV1) -> bool {
    let way = |h: &RegisterHypervisorV1| {
        (h.cri_endpoint.clone(), h.tls.clone(), h.address, h.data_dir.clone(), h.public)
    };
    way(before) != way(after)
}

/// Certificates and members name the address; files are in the directory.
fn check_fixed(
    state: &State,
    known: &Hypervisor,
    after: &RegisterHypervisorV1,
) -> Result<(), String> {
    let before = &known.spec;
    let nodes = state.nodes_on(&before.name).count() + known.orphans.len();
    let kind = |public: bool| if public { "public" } else { "private" };
    let fixed = [
        ("address", before.address.to_string(), after.address.to_string()),
        ("data directory", before.data_dir.clone(), after.data_dir.clone()),
        ("kind", kind(before.public).to_owned(), kind(after.public).to_owned()),
    ];
    match fixed.into_iter().find(|(_, before, after)| nodes > 0 && before != after) {
        None => Ok(()),
        Some((what, before, after)) => Err(format!(
            "its {what} cannot become {after}, for {nodes} node(s) there depend on {before}: take no new ones (`oi hypervisor cordon`), move them (`oi node replace`), then change it"
        )),
    }
}

/// Ports that somebody has stay in the range.
fn check_ports(
    state: &State,
    known: &Hypervisor,
    after: &RegisterHypervisorV1,
) -> Result<(), Rejection> {
    let name = &after.name;
    let range = after.port_low..=after.port_high;
    let invalid = |problem| Err(Rejection::HypervisorInvalid { name: name.clone(), problem });
    let of_nodes = state.nodes_on(name).map(|(cluster, node, n)| (cluster, node, &n.ports));
    let left = known.orphans.iter().map(|left| (&left.cluster, &left.node, &left.ports));
    for (cluster, node, ports) in of_nodes.chain(left) {
        if let Some(port) = ports.values().find(|port| !range.contains(*port)) {
            return invalid(format!(
                "node {node} of cluster {cluster} has port {port}, which ports {} to {} leave out: replace it first (`oi node replace`)",
                after.port_low, after.port_high
            ));
        }
    }
    let with = Hypervisor { spec: after.clone(), ..known.clone() };
    for (cluster, _, node) in state.nodes_on(name) {
        let shared = state.clusters.get(cluster).and_then(|c| c.shared_port_of(node));
        if let Some(port) = shared.filter(|port| !with.may_share(*port)) {
            let (hypervisor, by) = (name.clone(), cluster.clone());
            return Err(Rejection::PortInUse { hypervisor, port, by });
        }
    }
    Ok(())
}
