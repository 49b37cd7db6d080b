//! What a hypervisor can be.

use crate::rejection::Rejection;
use crate::state::State;
use crate::validate::parse_cidr;
use oi_events::{RegisterHypervisorV1, quoted};
use std::net::IpAddr;

/// The level from which on an address is one of which others can make use, and no cluster's, and
/// hypervisors at one address have no port twice.
pub(crate) const ADDRESSES: u16 = 4;

fn absolute(path: &str) -> bool {
    path.len() > 1 && path.starts_with('/') && !path.split('/').any(|part| part == "..")
}

/// What can be said of all but the address without a look at others.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(c: &RegisterHypervisorV1) -> Result<(), String> {
    match (c.cri_endpoint.strip_prefix("unix://"), c.cri_endpoint.strip_prefix("tcp://")) {
        (Some(path), _) if absolute(path) && c.tls.is_none() => {}
        (Some(path), _) if absolute(path) => return Err("TLS is for tcp:// endpoints".to_owned()),
        (_, Some(host))
            if host
                .rsplit_once(':')
                .is_some_and(|(h, p)| !h.is_empty() && p.parse::<u16>().is_ok_and(|p| p > 0)) =>
        {
            if c.tls.is_none() {
                return Err(format!(
                    "endpoint {} needs mutual TLS: give ca, certificate and key files",
                    c.cri_endpoint
                ));
            }
        }
        _ => {
            return Err(format!(
                "endpoint {} is malformed: write unix:///path or tcp://host:port",
                quoted(&c.cri_endpoint)
            ));
        }
    }
    if c.port_low == 0 || c.port_low > c.port_high {
        return Err(format!("port range {} to {} is empty", c.port_low, c.port_high));
    }
    if !absolute(&c.data_dir) {
        return Err(format!("data directory {} is not an absolute path", quoted(&c.data_dir)));
    }
    Ok(())
}

/// The address is one of which others can make use, and in the way of no cluster.
///
/// # Errors
/// What is wrong with it, or which cluster has it.
pub(crate) fn check_address(state: &State, c: &RegisterHypervisorV1) -> Result<(), Rejection> {
    // What other machines reach at such an address is not this one.
    let link_local = match c.address {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let is_new = state.level() >= ADDRESSES;
    let elsewhere = is_new && (link_local || c.address.is_loopback());
    if elsewhere || c.address.is_unspecified() || c.address.is_multicast() {
        let problem = format!("address {} is none that other machines can reach", c.address);
        return Err(Rejection::HypervisorInvalid { name: c.name.clone(), problem });
    }
    if !is_new {
        return Ok(());
    }
    // The rule for a new cluster, seen from the other side.
    for (name, cluster) in &state.clusters {
        let spec = &cluster.spec;
        let tunnel = cluster.tunnel.as_ref().map(|tunnel| ("tunnel CIDR", &tunnel.cidr));
        let ranges = [("pod CIDR", &spec.pod_cidr), ("service CIDR", &spec.service_cidr)];
        for (field, range) in ranges.into_iter().chain(tunnel) {
            if parse_cidr(field, range)?.contains(&c.address) {
                return Err(Rejection::Overlap {
                    a_field: "the address",
                    a: c.address.to_string(),
                    b_field: format!("the {field} of cluster {name}"),
                    b: range.clone(),
                });
            }
        }
    }
    Ok(())
}

/// The endpoint is no other hypervisor's.
///
/// # Errors
/// Names the other one.
pub(crate) fn check_endpoint(state: &State, c: &RegisterHypervisorV1) -> Result<(), Rejection> {
    let mut others = state.hypervisors.iter().filter(|(name, _)| **name != c.name);
    let Some((other, _)) = others.find(|(_, h)| h.spec.cri_endpoint == c.cri_endpoint) else {
        return Ok(());
    };
    let problem = format!("endpoint {} belongs to hypervisor {other} already", c.cri_endpoint);
    Err(Rejection::HypervisorInvalid { name: c.name.clone(), problem })
}
