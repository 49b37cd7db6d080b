//! Checks of names and address ranges.

use crate::rejection::Rejection;
use ipnet::IpNet;
use oi_events::Limit;
use std::net::IpAddr;

pub(crate) fn parse_cidr(field: &'static str, value: &str) -> Result<IpNet, Rejection> {
    let invalid = |problem: String| Rejection::Invalid { field, value: value.to_owned(), problem };
    let net: IpNet = value
        .parse()
        .map_err(|_| invalid("it is not a CIDR, for example 10.96.0.0/12".to_owned()))?;
    if net.trunc() != net {
        return Err(invalid(format!("it has host bits set; {} is meant?", net.trunc())));
    }
    Ok(net)
}

pub(crate) fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// The nth address of a Service range: 1 is the API's own, 10 the DNS service's.
///
/// # Errors
/// Where the range is none, or ends before.
pub fn service_ip(service_cidr: &str, n: u32) -> Result<IpAddr, Rejection> {
    const FIELD: &str = "service CIDR";
    let nth = match parse_cidr(FIELD, service_cidr)? {
        IpNet::V4(net) => u32::from(net.network()).checked_add(n).map(|ip| IpAddr::V4(ip.into())),
        IpNet::V6(net) => {
            u128::from(net.network()).checked_add(n.into()).map(|ip| IpAddr::V6(ip.into()))
        }
    };
    nth.ok_or_else(|| Rejection::Invalid {
        field: FIELD,
        value: service_cidr.to_owned(),
        problem: format!("it has no address number {n}"),
    })
}

/// A DNS name of a host. What ends in digits would be taken for an address by some.
pub(crate) fn is_host_name(name: &str) -> bool {
    let last = name.rsplit_once('.').map_or(name, |(_, last)| last);
    is_dns_name(name) && !last.bytes().all(|c| c.is_ascii_digit())
}

/// RFC 1123 subdomain.
pub fn is_dns_name(name: &str) -> bool {
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
    };
    name.len() <= Limit::HostName.bound() && name.split('.').all(label)
}
