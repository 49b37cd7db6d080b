//! Which requests are approved: a pure function of the request, the Nodes and what is reserved.

use ipnet::IpNet;
use oi_events::parsed;
use oi_pki::{RequestInfo, inspect_request};
use serde_json::Value;
use std::net::IpAddr;

const USAGES: [&str; 3] = ["digital signature", "key encipherment", "server auth"];
/// The types of a Node's addresses that are names, and those that are IP addresses.
const DNS: [&str; 3] = ["Hostname", "InternalDNS", "ExternalDNS"];
const IP: [&str; 2] = ["InternalIP", "ExternalIP"];

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is for the node that asks, and for nothing else.
    Approve,
    /// It is never approved.
    Deny(String),
    /// It may be approved later.
    Wait(String),
}

/// Names and addresses that no node may have: those of the control plane, and those that pods
/// trust.
#[derive(Debug, Clone, Default)]
pub struct Reserved {
    /// Addresses of the hypervisors of ingresses and control planes.
    pub addresses: Vec<IpAddr>,
    /// Addresses of Services.
    pub services: Option<IpNet>,
    /// More names of the API server. A `*` at the start stands for anything.
    pub names: Vec<String>,
    /// The cluster's DNS domain.
    pub domain: String,
}

impl Reserved {
    fn has_address(&self, ip: IpAddr) -> bool {
        ip.is_loopback()
            || ip.is_unspecified()
            || ip.is_multicast()
            || self.addresses.iter().any(|a| a.to_canonical() == ip)
            || self.services.is_some_and(|net| net.contains(&ip))
    }

    fn has_name(&self, name: &str) -> bool {
        let below = |suffix: &str| name == suffix || name.ends_with(&format!(".{suffix}"));
        let extra = |pattern: &String| match pattern.strip_prefix('*') {
            Some(suffix) => name.ends_with(&suffix.to_lowercase()),
            None => *name == pattern.to_lowercase(),
        };
        ["localhost", "svc", "kubernetes", "kubernetes.default"].iter().any(|n| below(n))
            || (!self.domain.is_empty() && below(&self.domain.to_lowercase()))
            || self.names.iter().any(extra)
    }
}

/// The names and addresses of a Node.
struct NodeAddresses {
    names: Vec<String>,
    ips: Vec<IpAddr>,
}

impl NodeAddresses {
    fn of(node: &Value) -> NodeAddresses {
        let all = |types: &[&str]| -> Vec<&str> {
            let all = node["status"]["addresses"].as_array().into_iter().flatten();
            let wanted = |a: &&Value| a["type"].as_str().is_some_and(|t| types.contains(&t));
            all.filter(wanted).filter_map(|a| a["address"].as_str()).collect()
        };
        let ips = all(&IP).into_iter().filter_map(parsed::<IpAddr>);
        NodeAddresses {
            names: all(&DNS).into_iter().map(str::to_lowercase).collect(),
            ips: ips.map(|ip| ip.to_canonical()).collect(),
        }
    }
}

/// Judges a CertificateSigningRequest.
pub fn judge(request: &Value, nodes: &[Value], reserved: &Reserved) -> Verdict {
    let (name, info) = match check_form(&request["spec"]) {
        Ok(checked) => checked,
        Err(why) => return Verdict::Deny(why.to_owned()),
    };
    let is_named = |node: &&Value| node["metadata"]["name"] == name;
    let Some(node) = nodes.iter().find(is_named) else {
        return Verdict::Wait(format!("node {name} is not known yet"));
    };
    if let Some(ip) = info.ip_addresses.iter().find(|ip| reserved.has_address(**ip)) {
        return Verdict::Deny(format!("{ip} is the control plane's, or nobody's own"));
    }
    if let Some(name) = info.dns_names.iter().find(|n| reserved.has_name(n)) {
        return Verdict::Deny(format!("{name} is the control plane's, or nobody's own"));
    }
    for other in nodes.iter().filter(|n| !is_named(n)) {
        let title = other["metadata"]["name"].as_str().unwrap_or_default();
        let taken = NodeAddresses::of(other);
        let shared = |dns: &String| taken.names.contains(dns) || dns == title;
        if info.dns_names.iter().any(shared)
            || info.ip_addresses.iter().any(|ip| taken.ips.contains(ip))
        {
            return Verdict::Wait(format!("it names what node {title} has"));
        }
    }
    check_own(name, &info, &NodeAddresses::of(node))
}

/// Checks all that needs no other object. Returns the node that asks, and what it asks for.
fn check_form(spec: &Value) -> Result<(&str, RequestInfo), &'static str> {
    let user = spec["username"].as_str().unwrap_or_default();
    let Some(name) = user.strip_prefix("system:node:") else {
        return Err("only nodes may ask for it");
    };
    if !texts(&spec["groups"]).contains(&"system:nodes") {
        return Err("only members of system:nodes may ask for it");
    }
    let usages = texts(&spec["usages"]);
    if !usages.contains(&"server auth") || usages.iter().any(|u| !USAGES.contains(u)) {
        return Err("it is for other uses than serving");
    }
    let Some(Ok(mut info)) = spec["request"].as_str().map(inspect_request) else {
        return Err("it is not a request of the known form");
    };
    if info.common_name != user || info.organizations != ["system:nodes"] {
        return Err("its subject is not the node that asks");
    }
    if info.has_others || (info.dns_names.is_empty() && info.ip_addresses.is_empty()) {
        return Err("it must name host names or IP addresses, and nothing else");
    }
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.';
    if !info.dns_names.iter().all(|n| n.bytes().all(plain) && !n.ends_with('.')) {
        return Err("a host name is not plain: a-z, 0-9, '-' and '.'");
    }
    // An IPv4 address has a second form, as an IPv6 address, which certificates treat as equal.
    info.ip_addresses.iter_mut().for_each(|ip| *ip = ip.to_canonical());
    Ok((name, info))
}

/// Checks that all names and addresses are the node's own.
fn check_own(name: &str, info: &RequestInfo, own: &NodeAddresses) -> Verdict {
    let dns = info.dns_names.iter().find(|dns| *dns != name && !own.names.contains(dns));
    let ip = info.ip_addresses.iter().find(|ip| !own.ips.contains(ip));
    match (dns, ip) {
        (None, None) => Verdict::Approve,
        (Some(dns), _) => Verdict::Wait(format!("node {name} does not have the name {dns}")),
        (_, Some(ip)) => Verdict::Wait(format!("node {name} does not have the address {ip}")),
    }
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
