//! Which requests are approved.
#![allow(clippy::unwrap_used)]

use super::judge::{Reserved, Verdict, judge};
use super::request::{decided, is_pending, is_plain};
use serde_json::{Value, json};

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
    let reserved = Reserved { addresses: vec!["10.0.0.9".parse().unwrap()], ..Reserved::default() };
    let ask =
        |dns: &[&str], ips: &[&str]| judge(&request("system:node:a", dns, ips), &nodes, &reserved);
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
    for (dns, ip) in names.iter().map(|n| (Some(*n), None)).chain(ips.map(|i| (None, Some(i)))) {
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

#[test]
fn a_request_of_a_megabyte_holds_up_nobody() {
    let mut asked = request("system:node:a", &["a"], &["10.0.0.1"]);
    assert!(is_plain(&asked));
    asked["metadata"] = json!({"annotations": {"x": "x".repeat(1 << 20)}});
    assert!(!is_plain(&asked));
}
