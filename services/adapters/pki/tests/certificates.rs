//! What users of certificates rely on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use oi_pki::*;
use std::net::IpAddr;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

const NOW: u64 = 1_790_000_000_123;
const SECOND: u64 = 1000;
const YEAR: u64 = 365 * 24 * 3600 * SECOND;

fn parse(der: &[u8]) -> X509Certificate<'_> {
    X509Certificate::from_der(der).unwrap().1
}

/// Extended usage: server, client.
fn usage(certificate: &X509Certificate<'_>) -> (bool, bool) {
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    (usage.server_auth, usage.client_auth)
}

/// Key identifiers: its own, its issuer's.
fn identifiers<'a>(certificate: &'a X509Certificate<'_>) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
    let (mut own, mut issuer) = (None, None);
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => own = Some(id.0),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                issuer = id.key_identifier.as_ref().map(|id| id.0);
            }
            _ => {}
        }
    }
    (own, issuer)
}

#[test]
fn a_leaf_verifies_under_its_authority_only() {
    let ours = new_ca("kubernetes", NOW, 10 * YEAR).unwrap();
    let other = new_ca("kubernetes", NOW, 10 * YEAR).unwrap();
    let leaf = issue(&ours.certificate, &ours.key, &LeafProfile::scheduler(), NOW, YEAR).unwrap();
    let (ca, wrong, parsed) =
        (parse(&ours.certificate), parse(&other.certificate), parse(&leaf.certificate));
    ca.verify_signature(None).unwrap();
    parsed.verify_signature(Some(ca.public_key())).unwrap();
    parsed.verify_signature(Some(wrong.public_key())).unwrap_err();
    assert_eq!(parsed.issuer().as_raw(), ca.subject().as_raw());
    let ((ca_id, _), (leaf_id, issuer_id)) = (identifiers(&ca), identifiers(&parsed));
    assert!(ca_id.is_some() && leaf_id.is_some());
    assert_eq!(issuer_id, ca_id);
}

#[test]
fn authorities_and_leaves_have_the_rights_of_their_kind() {
    let ca = new_ca("kubernetes", NOW, YEAR).unwrap();
    let leaf = issue(&ca.certificate, &ca.key, &LeafProfile::admin(), NOW, YEAR).unwrap();
    let (authority, parsed) = (parse(&ca.certificate), parse(&leaf.certificate));
    assert!(authority.is_ca() && !parsed.is_ca());
    let rights = |c: &X509Certificate<'_>| {
        let usage = c.key_usage().unwrap().unwrap().value;
        (usage.digital_signature(), usage.key_encipherment(), usage.key_cert_sign())
    };
    assert_eq!(rights(&authority), (true, true, true));
    assert_eq!(rights(&parsed), (true, true, false));
    assert_eq!(inspect(&ca.certificate).unwrap().dns_names, ["kubernetes"]);
}

#[test]
fn keys_serials_and_fingerprints_are_distinct() {
    let ca = new_ca("etcd-ca", NOW, YEAR).unwrap();
    let make = || issue(&ca.certificate, &ca.key, &LeafProfile::admin(), NOW, YEAR).unwrap();
    let (a, b) = (make(), make());
    assert!(a.key != b.key && a.key != ca.key);
    assert_ne!(a.serial_hex, b.serial_hex);
    assert_ne!(fingerprint(&a.certificate), fingerprint(&b.certificate));
    for material in [&ca, &a, &b] {
        let info = inspect(&material.certificate).unwrap();
        assert_eq!(info.serial_hex, material.serial_hex);
        assert_eq!(info.serial_hex.len(), 32, "128 bits");
        assert!(parse(&material.certificate).raw_serial()[0] < 0x80, "positive");
        assert!(!format!("{material:?}").contains(&format!("{:?}", &material.key[..4])));
    }
    let (first, second) = (key_pair().unwrap(), key_pair().unwrap());
    assert!(first.0 != second.0 && first.1 != second.1);
}

#[test]
fn identities_are_kubeadms() {
    let ca = new_ca("kubernetes", NOW, YEAR).unwrap();
    let (none, both) = (vec![], (true, true));
    let expected = [
        (LeafProfile::kube_apiserver(vec![], vec![]), "kube-apiserver", "", (true, false)),
        (
            LeafProfile::apiserver_kubelet_client(),
            "kube-apiserver-kubelet-client",
            "",
            (false, true),
        ),
        (LeafProfile::apiserver_etcd_client(), "kube-apiserver-etcd-client", "", (false, true)),
        (LeafProfile::etcd_server("m0", vec![], none.clone()), "m0", "", both),
        (LeafProfile::etcd_peer("m0", vec![], none), "m0", "", both),
        (LeafProfile::etcd_healthcheck_client(), "kube-etcd-healthcheck-client", "", (false, true)),
        (LeafProfile::front_proxy_client(), "front-proxy-client", "", (false, true)),
        (LeafProfile::controller_manager(), "system:kube-controller-manager", "", (false, true)),
        (LeafProfile::scheduler(), "system:kube-scheduler", "", (false, true)),
        (LeafProfile::admin(), "kubernetes-admin", "system:masters", (false, true)),
    ];
    for (profile, name, group, usages) in expected {
        let leaf = issue(&ca.certificate, &ca.key, &profile, NOW, YEAR).unwrap();
        let info = inspect(&leaf.certificate).unwrap();
        assert_eq!((info.common_name.as_str(), info.organizations.join(",")), (name, group.into()));
        assert_eq!(usage(&parse(&leaf.certificate)), usages, "{name}");
    }
}

#[test]
fn subject_alternative_names_are_kubeadms_each_once() {
    let ca = new_ca("kubernetes", NOW, YEAR).unwrap();
    let names = |profile: &LeafProfile| {
        let leaf = issue(&ca.certificate, &ca.key, profile, NOW, YEAR).unwrap();
        let info = inspect(&leaf.certificate).unwrap();
        (info.dns_names, info.ip_addresses)
    };
    let ips = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
    let dns = ["node-1", "kubernetes", "kubernetes.default.svc.cluster.local"].map(String::from);
    let server = LeafProfile::kube_apiserver(dns.to_vec(), ips(&["10.96.0.1", "192.0.2.7"]));
    let expected = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "node-1",
    ];
    assert_eq!(
        names(&server),
        (expected.map(String::from).into(), ips(&["10.96.0.1", "192.0.2.7"]))
    );
    let peer =
        LeafProfile::etcd_peer("m0", vec![], ips(&["192.0.2.7", "127.0.0.1", "2001:db8::7"]));
    let addresses = ips(&["127.0.0.1", "192.0.2.7", "::1", "2001:db8::7"]);
    assert_eq!(names(&peer), (["localhost", "m0"].map(String::from).into(), addresses));
}

#[test]
fn a_leaf_is_valid_only_while_its_authority_is() {
    let ca = new_ca("kubernetes", NOW, YEAR).unwrap();
    let info = inspect(&ca.certificate).unwrap();
    let second = |ms: u64| ms / SECOND * SECOND;
    assert_eq!(info.not_before_ms, second(NOW) - 5 * 60 * SECOND);
    assert_eq!((info.not_after_ms, ca.not_after_ms), (second(NOW + YEAR), second(NOW + YEAR)));
    let make = |now, life| issue(&ca.certificate, &ca.key, &LeafProfile::admin(), now, life);
    let long = inspect(&make(NOW, 9 * YEAR).unwrap().certificate).unwrap();
    assert_eq!((long.not_before_ms, long.not_after_ms), (info.not_before_ms, info.not_after_ms));
    assert_eq!(make(NOW, u64::MAX).unwrap().not_after_ms, info.not_after_ms);
    let early = inspect(&make(NOW - YEAR, 2 * YEAR).unwrap().certificate).unwrap();
    assert_eq!(early.not_before_ms, info.not_before_ms);
    assert!(matches!(make(NOW + YEAR, YEAR), Err(IssueError::Ended { .. })));
    assert!(matches!(new_ca("x", NOW, u64::MAX), Err(IssueError::Time(_))));
}

#[test]
fn what_cannot_sign_or_be_said_is_refused() {
    let (ca, other) = (new_ca("a", NOW, YEAR).unwrap(), new_ca("b", NOW, YEAR).unwrap());
    let admin = LeafProfile::admin();
    let leaf = issue(&ca.certificate, &ca.key, &admin, NOW, YEAR).unwrap();
    let refused = |certificate: &[u8], key: &[u8], profile: &LeafProfile| {
        issue(certificate, key, profile, NOW, YEAR).unwrap_err()
    };
    let wrong_key = refused(&ca.certificate, &other.key, &admin);
    assert!(matches!(wrong_key, IssueError::Mismatch(name) if name == "a"));
    let from_leaf = refused(&leaf.certificate, &leaf.key, &admin);
    assert!(matches!(from_leaf, IssueError::NotACa(_)));
    assert!(matches!(refused(&ca.certificate, b"x", &admin), IssueError::AuthorityKey(_)));
    assert!(matches!(refused(b"x", &ca.key, &admin), IssueError::Ca(_)));
    let umlaut = LeafProfile::kube_apiserver(vec!["münchen".to_owned()], vec![]);
    assert!(matches!(refused(&ca.certificate, &ca.key, &umlaut), IssueError::Name { .. }));
    let groups = LeafProfile::client("jane", &["a", "b"]);
    let two = refused(&ca.certificate, &ca.key, &groups);
    assert!(matches!(two, IssueError::Organizations { count: 2, .. }));
    let appended = [ca.certificate.as_slice(), b"x"].concat();
    assert!(matches!(inspect(&appended), Err(InspectError::Trailing(1))));
}
