//! Serving certificates of kubelets: who may have one, and for which names.
//!
//! Kubernetes itself approves none, for a machine's names must be checked against something
//! (KEP-0266). Here they are checked against the Node object of who asks, and nobody gets
//! one for an address that another node or the control plane has.

use ipnet::IpNet;
use oi_pki::{RequestInfo, inspect_request};
use serde_json::{Value, json};
use std::net::IpAddr;

/// The signer of these certificates.
pub const SIGNER: &str = "kubernetes.io/kubelet-serving";
const USAGES: [&str; 3] = ["digital signature", "key encipherment", "server auth"];

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is for the node that asks, and nothing else.
    Approve,
    /// It never will be.
    Deny(String),
    /// It may be later.
    Wait(String),
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Whether nothing was decided yet.
pub fn is_pending(request: &Value) -> bool {
    request["status"]["conditions"].as_array().is_none_or(Vec::is_empty)
}

/// The names and addresses of a Node.
fn addresses<'a>(node: &'a Value, kinds: &[&str]) -> Vec<&'a str> {
    let all = node["status"]["addresses"].as_array();
    let wanted = |a: &&Value| a["type"].as_str().is_some_and(|t| kinds.contains(&t));
    all.into_iter().flatten().filter(wanted).filter_map(|a| a["address"].as_str()).collect()
}

/// Names and addresses that no node may have: the control plane's, and those that pods are
/// told to trust.
#[derive(Debug, Clone, Default)]
pub struct Reserved {
    /// Addresses of ingresses and of the control plane's hypervisors.
    pub addresses: Vec<IpAddr>,
    /// Addresses of Services.
    pub services: Option<IpNet>,
    /// More names of the API server; a `*` at the start stands for any.
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

/// Judges a request (a CertificateSigningRequest) by the Nodes there are.
pub fn judge(request: &Value, nodes: &[Value], reserved: &Reserved) -> Verdict {
    let deny = |why: &str| Verdict::Deny(why.to_owned());
    let spec = &request["spec"];
    let user = spec["username"].as_str().unwrap_or_default();
    let Some(name) = user.strip_prefix("system:node:") else {
        return deny("only nodes may ask for it");
    };
    if !texts(&spec["groups"]).contains(&"system:nodes") {
        return deny("only members of system:nodes may ask for it");
    }
    let usages = texts(&spec["usages"]);
    if !usages.contains(&"server auth") || usages.iter().any(|u| !USAGES.contains(u)) {
        return deny("it is for other uses than serving");
    }
    let Some(mut info) = spec["request"].as_str().and_then(|pem| inspect_request(pem).ok()) else {
        return deny("it is not a request of the known form");
    };
    if info.common_name != user || info.organizations != ["system:nodes"] {
        return deny("its subject is not the node that asks");
    }
    if info.has_others || (info.dns_names.is_empty() && info.ip_addresses.is_empty()) {
        return deny("it must name host names or IP addresses, and nothing else");
    }
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.';
    if !info.dns_names.iter().all(|n| n.bytes().all(plain) && !n.ends_with('.')) {
        return deny("a host name is not plain: a-z, 0-9, '-' and '.'");
    }
    // An IPv4 address has a second form, of IPv6, which certificates have as the first.
    info.ip_addresses.iter_mut().for_each(|ip| *ip = ip.to_canonical());
    names(name, &info, nodes, reserved)
}

/// Whether the names of a request are the node's own.
fn names(name: &str, info: &RequestInfo, nodes: &[Value], reserved: &Reserved) -> Verdict {
    let is_named = |node: &&Value| node["metadata"]["name"] == name;
    let Some(node) = nodes.iter().find(is_named) else {
        return Verdict::Wait(format!("node {name} is not known yet"));
    };
    const DNS: [&str; 3] = ["Hostname", "InternalDNS", "ExternalDNS"];
    const IP: [&str; 2] = ["InternalIP", "ExternalIP"];
    let ips = |node: &Value| -> Vec<IpAddr> {
        let all = addresses(node, &IP);
        all.iter().filter_map(|ip| ip.parse().ok()).map(|ip: IpAddr| ip.to_canonical()).collect()
    };
    let dns = |node: &Value| -> Vec<String> {
        addresses(node, &DNS).iter().map(|n| n.to_lowercase()).collect()
    };
    if let Some(ip) = info.ip_addresses.iter().find(|ip| reserved.has_address(**ip)) {
        return Verdict::Deny(format!("{ip} is the control plane's, or nobody's own"));
    }
    if let Some(name) = info.dns_names.iter().find(|n| reserved.has_name(n)) {
        return Verdict::Deny(format!("{name} is the control plane's, or nobody's own"));
    }
    for other in nodes.iter().filter(|n| !is_named(n)) {
        let (others, taken) = (dns(other), ips(other));
        let title = other["metadata"]["name"].as_str().unwrap_or_default();
        let shared = |dns: &String| others.contains(dns) || dns == title;
        if info.dns_names.iter().any(shared)
            || info.ip_addresses.iter().any(|ip| taken.contains(ip))
        {
            return Verdict::Wait(format!("it names what node {title} has"));
        }
    }
    let (own_names, own_ips) = (dns(node), ips(node));
    let dns = info.dns_names.iter().find(|dns| *dns != name && !own_names.contains(dns));
    let ip = info.ip_addresses.iter().find(|ip| !own_ips.contains(ip));
    match (dns, ip) {
        (None, None) => Verdict::Approve,
        (Some(dns), _) => Verdict::Wait(format!("node {name} does not have the name {dns}")),
        (_, Some(ip)) => Verdict::Wait(format!("node {name} does not have the address {ip}")),
    }
}

/// The request with a decision, to be put at its `approval`; none where there is none.
pub fn decided(request: &Value, verdict: &Verdict) -> Option<Value> {
    let (kind, message) = match verdict {
        Verdict::Approve => ("Approved", "it names the node that asks, and nothing else"),
        Verdict::Deny(why) => ("Denied", why.as_str()),
        Verdict::Wait(_) => return None,
    };
    let mut request = request.clone();
    request["apiVersion"] = json!("certificates.k8s.io/v1");
    request["kind"] = json!("CertificateSigningRequest");
    request["status"] = json!({"conditions": [
        {"type": kind, "status": "True", "reason": "OiKubeletServing", "message": message},
    ]});
    Some(request)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn node(name: &str, ip: &str) -> Value {
        json!({"metadata": {"name": name}, "status": {"addresses": [
            {"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name},
        ]}})
    }

    fn request(user: &str, dns: &[&str], ips: &[&str]) -> Value {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, user);
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "system:nodes");
        let dns = dns.iter().map(|d| rcgen::SanType::DnsName((*d).try_into().unwrap()));
        let ips = ips.iter().map(|ip| rcgen::SanType::IpAddress(ip.parse().unwrap()));
        params.subject_alt_names = dns.chain(ips).collect();
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.serialize_request(&key).unwrap().pem().unwrap();
        json!({"spec": {
            "username": user, "groups": ["system:nodes", "system:authenticated"],
            "usages": ["digital signature", "server auth"],
            "request": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pem),
        }})
    }

    #[test]
    fn a_node_gets_a_certificate_for_its_own_names_only() {
        let nodes = [node("a", "10.0.0.1"), node("b", "10.0.0.2")];
        let reserved =
            Reserved { addresses: vec!["10.0.0.9".parse().unwrap()], ..Reserved::default() };
        let ask = |dns: &[&str], ips: &[&str]| {
            judge(&request("system:node:a", dns, ips), &nodes, &reserved)
        };
        assert_eq!(ask(&["a"], &["10.0.0.1"]), Verdict::Approve);
        assert!(matches!(ask(&["a"], &["10.0.0.2"]), Verdict::Wait(_)), "another node's address");
        assert!(matches!(ask(&["b"], &["10.0.0.1"]), Verdict::Wait(_)), "another node's name");
        assert!(matches!(ask(&["elsewhere"], &["10.0.0.1"]), Verdict::Wait(_)), "nobody's name");
        assert!(matches!(ask(&["a"], &["10.0.0.9"]), Verdict::Deny(_)), "the control plane's");
        assert!(matches!(ask(&["a"], &["::ffff:10.0.0.9"]), Verdict::Deny(_)), "in another form");
        assert!(matches!(ask(&["a"], &["::ffff:10.0.0.2"]), Verdict::Wait(_)), "in another form");
        assert!(matches!(ask(&[], &[]), Verdict::Deny(_)), "no name at all");
    }

    #[test]
    fn what_a_node_says_of_itself_is_not_enough() {
        // It may write anything into its own status.
        let names = [
            "kubernetes.default.svc",
            "kubernetes",
            "localhost",
            "web.default.svc.cluster.local",
            "api.example.org",
            "A",
            "*.a",
            "a.",
        ];
        let ips = ["127.0.0.1", "10.96.0.1", "10.111.3.4"];
        let address = |kind: &'static str| move |a: &&str| json!({"type": kind, "address": *a});
        let all: Vec<Value> = names
            .iter()
            .map(address("Hostname"))
            .chain(ips.iter().map(address("InternalIP")))
            .collect();
        let node = json!({"metadata": {"name": "a"}, "status": {"addresses": all}});
        let reserved = Reserved {
            services: Some("10.96.0.0/12".parse().unwrap()),
            names: vec!["*.example.org".to_owned()],
            domain: "cluster.local".to_owned(),
            ..Reserved::default()
        };
        for (dns, ip) in names.iter().map(|n| (Some(*n), None)).chain(ips.map(|i| (None, Some(i))))
        {
            let (dns, ip): (Vec<&str>, Vec<&str>) =
                (dns.into_iter().collect(), ip.into_iter().collect());
            let asked = request("system:node:a", &dns, &ip);
            let verdict = judge(&asked, std::slice::from_ref(&node), &reserved);
            assert!(matches!(verdict, Verdict::Deny(_)), "{dns:?} {ip:?}: {verdict:?}");
        }
    }

    #[test]
    fn nothing_but_one_plain_request_is_read() {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let nodes = [node("a", "10.0.0.1")];
        let good = request("system:node:a", &["a"], &["10.0.0.1"]);
        let other = request("system:node:a", &["kubernetes"], &[]);
        let pem = |r: &Value| {
            let text = STANDARD.decode(r["spec"]["request"].as_str().unwrap()).unwrap();
            String::from_utf8(text).unwrap()
        };
        let with = |text: String| {
            let mut asked = good.clone();
            asked["spec"]["request"] = json!(STANDARD.encode(text));
            judge(&asked, &nodes, &Reserved::default())
        };
        assert_eq!(with(pem(&good)), Verdict::Approve);
        // Go's reader skips a block that ends otherwise, and takes the next one.
        let skipped = pem(&good).replace("END CERTIFICATE REQUEST", "END X");
        assert!(matches!(with(format!("{skipped}{}", pem(&other))), Verdict::Deny(_)));
        assert!(matches!(with(format!("{}{}", pem(&good), pem(&other))), Verdict::Deny(_)));
        assert!(matches!(with(format!("words\n{}", pem(&good))), Verdict::Deny(_)));
    }

    #[test]
    fn only_nodes_get_one_and_for_serving_only() {
        let nodes = [node("a", "10.0.0.1")];
        let good = request("system:node:a", &["a"], &["10.0.0.1"]);
        let with = |change: &dyn Fn(&mut Value)| {
            let mut changed = good.clone();
            change(&mut changed["spec"]);
            judge(&changed, &nodes, &Reserved::default())
        };
        assert_eq!(with(&|_| {}), Verdict::Approve);
        assert!(matches!(with(&|s| s["username"] = json!("alice")), Verdict::Deny(_)));
        assert!(matches!(with(&|s| s["username"] = json!("system:node:b")), Verdict::Deny(_)));
        assert!(matches!(with(&|s| s["groups"] = json!([])), Verdict::Deny(_)));
        assert!(matches!(with(&|s| s["usages"] = json!(["client auth"])), Verdict::Deny(_)));
        assert!(matches!(with(&|s| s["request"] = json!("AAAA")), Verdict::Deny(_)));
        assert!(
            matches!(judge(&good, &[], &Reserved::default()), Verdict::Wait(_)),
            "no such node yet"
        );
    }

    #[test]
    fn what_waits_stays_pending() {
        let asked = request("system:node:a", &["a"], &["10.0.0.1"]);
        assert!(is_pending(&asked));
        assert_eq!(decided(&asked, &Verdict::Wait(String::new())), None);
        assert!(!is_pending(&decided(&asked, &Verdict::Approve).unwrap()));
    }
}
