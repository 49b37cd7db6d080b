//! What a cluster can be made with.

use crate::rejection::Rejection;
use crate::state::State;
use crate::validate::{is_dns_name, is_host_name, overlap, parse_cidr};
use ipnet::IpNet;
use oi_events::{ClusterSpec, KubernetesVersion, Limit};
use std::net::IpAddr;
use std::ops::RangeInclusive;

/// Minor releases of Kubernetes 1 that can be run.
pub const SUPPORTED_MINORS: RangeInclusive<u16> = 34..=36;

pub(crate) fn check_version(version: &KubernetesVersion) -> Result<(), Rejection> {
    if version.major() == 1 && SUPPORTED_MINORS.contains(&version.minor()) {
        return Ok(());
    }
    Err(Rejection::VersionUnsupported {
        version: version.clone(),
        supported: format!("v1.{} to v1.{}", SUPPORTED_MINORS.start(), SUPPORTED_MINORS.end()),
    })
}

pub(crate) fn check_spec(state: &State, c: &ClusterSpec) -> Result<(), Rejection> {
    check_version(&c.kubernetes_version)?;
    let pods = parse_cidr("pod CIDR", &c.pod_cidr)?;
    let services = parse_cidr("service CIDR", &c.service_cidr)?;
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
    if !is_host_name(&c.dns_domain) || c.dns_domain.len() > Limit::DnsDomain.bound() {
        let problem = Limit::DnsDomain.problem();
        return Err(not_usable("DNS domain", &c.dns_domain, problem, is_dns_name(&c.dns_domain)));
    }
    check_sans(&c.extra_sans)
}

/// What is refused; `before` says whether levels before 4 took it.
fn not_usable(field: &'static str, value: &str, problem: &str, before: bool) -> Rejection {
    let (value, problem) = (value.to_owned(), problem.to_owned());
    if before {
        Rejection::Limit { field, value, problem }
    } else {
        Rejection::Invalid { field, value, problem }
    }
}

pub(crate) fn check_sans(extra_sans: &[String]) -> Result<(), Rejection> {
    if extra_sans.len() > Limit::ExtraSans.bound() {
        let count = extra_sans.len().to_string();
        let problem = Limit::ExtraSans.problem();
        return Err(not_usable("number of extra SANs", &count, problem, true));
    }
    let together: usize = extra_sans.iter().map(String::len).sum();
    if together > Limit::ExtraSansText.bound() {
        let about = format!("{together} characters");
        return Err(not_usable("extra SANs", &about, Limit::ExtraSansText.problem(), true));
    }
    for san in extra_sans {
        let name = san.strip_prefix("*.").unwrap_or(san);
        if san.parse::<IpAddr>().is_err() && !is_host_name(name) {
            let problem = Limit::HostName.problem();
            return Err(not_usable("extra SAN", san, problem, is_dns_name(name)));
        }
    }
    Ok(())
}
