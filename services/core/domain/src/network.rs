//! Checks of names and address ranges.

use crate::rejection::Rejection;
use crate::state::{Cluster, Hypervisor, State};
use ipnet::IpNet;
use oi_events::{CreateClusterV1, Endpoint, KubernetesVersion};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// Minor releases of Kubernetes 1 that can be run.
pub const SUPPORTED_MINORS: RangeInclusive<u16> = 34..=36;

fn parse(field: &'static str, value: &str) -> Result<IpNet, Rejection> {
    let invalid = |problem: String| Rejection::Invalid { field, value: value.to_owned(), problem };
    let net: IpNet = value
        .parse()
        .map_err(|_| invalid("it is not a CIDR, for example 10.96.0.0/12".to_owned()))?;
    if net.trunc() != net {
        return Err(invalid(format!("it has host bits set; {} is meant?", net.trunc())));
    }
    Ok(net)
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// The nth address of a Service range: 1 is the API's own, 10 the DNS service's.
pub fn service_ip(service_cidr: &str, n: u32) -> Option<IpAddr> {
    match service_cidr.parse::<IpNet>().ok()? {
        IpNet::V4(net) => Some(IpAddr::V4(u32::from(net.network()).checked_add(n)?.into())),
        IpNet::V6(net) => Some(IpAddr::V6(u128::from(net.network()).checked_add(n.into())?.into())),
    }
}

pub(crate) fn check_version(version: &KubernetesVersion) -> Result<(), Rejection> {
    if version.major() == 1 && SUPPORTED_MINORS.contains(&version.minor()) {
        return Ok(());
    }
    Err(Rejection::VersionUnsupported {
        version: version.clone(),
        supported: format!("v1.{} to v1.{}", SUPPORTED_MINORS.start(), SUPPORTED_MINORS.end()),
    })
}

pub(crate) fn check_cluster(state: &State, c: &CreateClusterV1) -> Result<(), Rejection> {
    check_version(&c.kubernetes_version)?;
    let pods = parse("pod CIDR", &c.pod_cidr)?;
    let services = parse("service CIDR", &c.service_cidr)?;
    let invalid = |field, value: &str, problem: &str| {
        Err(Rejection::Invalid { field, value: value.to_owned(), problem: problem.to_owned() })
    };
    // Each node gets a /24 (IPv4) or a /64 (IPv6) of it: kube-controller-manager's defaults.
    let node_mask = if matches!(pods, IpNet::V4(_)) { 24 } else { 64 };
    if pods.prefix_len() > node_mask || node_mask - pods.prefix_len() > 16 {
        return invalid(
            "pod CIDR",
            &c.pod_cidr,
            "each node takes a /24 (IPv4) or /64 (IPv6) of it: use a prefix of that length, up to 16 bits shorter",
        );
    }
    // The API server takes at most 20 bits of host addresses.
    let host_bits = services.max_prefix_len() - services.prefix_len();
    if !(4..=20).contains(&host_bits) {
        return invalid(
            "service CIDR",
            &c.service_cidr,
            "it must leave 4 to 20 bits for addresses",
        );
    }
    if matches!(pods, IpNet::V4(_)) != matches!(services, IpNet::V4(_)) {
        return invalid("service CIDR", &c.service_cidr, "it must be of the pod CIDR's family");
    }
    if overlap(&pods, &services) {
        return Err(Rejection::Overlap {
            a_field: "pod CIDR",
            a: c.pod_cidr.clone(),
            b_field: "service CIDR".to_owned(),
            b: c.service_cidr.clone(),
        });
    }
    for (field, value, net) in
        [("pod CIDR", &c.pod_cidr, pods), ("service CIDR", &c.service_cidr, services)]
    {
        if let Some((name, h)) =
            state.hypervisors.iter().find(|(_, h)| net.contains(&h.spec.address))
        {
            return Err(Rejection::Overlap {
                a_field: field,
                a: value.clone(),
                b_field: format!("the address of hypervisor {name}"),
                b: h.spec.address.to_string(),
            });
        }
    }
    if !is_dns_name(&c.dns_domain) {
        return invalid(
            "DNS domain",
            &c.dns_domain,
            "it is not a DNS name, for example cluster.local",
        );
    }
    for san in &c.extra_sans {
        if san.parse::<IpAddr>().is_err() && !is_dns_name(san.strip_prefix("*.").unwrap_or(san)) {
            return invalid("extra SAN", san, "it is neither a DNS name nor an IP address");
        }
    }
    Ok(())
}

/// The addresses of a tunnel are a cluster's own, and enough of them.
pub(crate) fn check_tunnel(state: &State, cluster: &Cluster, cidr: &str) -> Result<(), Rejection> {
    const FIELD: &str = "VPN CIDR";
    let net = parse(FIELD, cidr)?;
    if !matches!(net, IpNet::V4(_)) || !(8..=28).contains(&net.prefix_len()) {
        let problem = "use an IPv4 prefix of 8 to 28 bits: each node takes an address";
        let (value, problem) = (cidr.to_owned(), problem.to_owned());
        return Err(Rejection::Invalid { field: FIELD, value, problem });
    }
    let overlap_with = |b_field: String, b: String| {
        Err(Rejection::Overlap { a_field: FIELD, a: cidr.to_owned(), b_field, b })
    };
    for (field, other) in [("pod CIDR", &cluster.pod_cidr), ("service CIDR", &cluster.service_cidr)]
    {
        if other.parse().is_ok_and(|other| overlap(&net, &other)) {
            return overlap_with(field.to_owned(), other.clone());
        }
    }
    let addons = |h: &Hypervisor| net.contains(&h.spec.address);
    match state.hypervisors.iter().find(|(_, h)| addons(h)) {
        Some((name, h)) => {
            overlap_with(format!("the address of hypervisor {name}"), h.spec.address.to_string())
        }
        None => Ok(()),
    }
}

/// A name or address that clients can ask for.
pub(crate) fn check_endpoint(cluster: &Cluster, endpoint: &Endpoint) -> Result<(), Rejection> {
    const FIELD: &str = "endpoint";
    let invalid = |problem: &str| {
        let (value, problem) = (endpoint.to_string(), problem.to_owned());
        Err(Rejection::Invalid { field: FIELD, value, problem })
    };
    if endpoint.port == 0 {
        return invalid("its port is none");
    }
    let Ok(ip) = endpoint.host.parse::<IpAddr>() else {
        // What looks like an address and is none would be taken for one by some.
        let last = endpoint.host.rsplit('.').next().unwrap_or_default();
        let is_name = is_dns_name(&endpoint.host) && !last.bytes().all(|c| c.is_ascii_digit());
        return match is_name {
            true => Ok(()),
            false => invalid("its host is neither a DNS name in small letters nor an IP address"),
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
    let services = cluster.service_cidr.parse::<IpNet>();
    if services.is_ok_and(|net| net.addr().is_ipv4() != ip.is_ipv4()) {
        return invalid("its address is not of the service CIDR's family: use a name");
    }
    for (field, cidr) in [("pod CIDR", &cluster.pod_cidr), ("service CIDR", &cluster.service_cidr)]
    {
        if cidr.parse::<IpNet>().is_ok_and(|net| net.contains(&ip)) {
            let (a, b_field, b) = (endpoint.host.clone(), field.to_owned(), cidr.clone());
            return Err(Rejection::Overlap { a_field: FIELD, a, b_field, b });
        }
    }
    Ok(())
}

/// RFC 1123 subdomain.
pub fn is_dns_name(name: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}
