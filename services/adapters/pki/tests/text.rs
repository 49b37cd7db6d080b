//! What components read: PEM and kubeconfig files.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use base64::{Engine, engine::general_purpose::STANDARD};
use oi_pki::*;
use serde_yaml_ng::Value;
use x509_parser::pem::parse_x509_pem;

const NOW: u64 = 1_790_000_000_000;

fn contents(pem: &[u8]) -> (String, Vec<u8>) {
    let (rest, pem) = parse_x509_pem(pem).unwrap();
    assert!(rest.is_empty());
    (pem.label, pem.contents)
}

#[test]
fn pem_carries_the_bytes_under_the_right_label() {
    let (private, public) = key_pair().unwrap();
    let ca = new_ca("kubernetes", NOW, 1_000_000).unwrap();
    let text = certificate_pem(&ca.certificate);
    assert!(text.lines().all(|line| line.len() <= 64) && text.ends_with('\n'));
    assert_eq!(contents(text.as_bytes()), ("CERTIFICATE".into(), ca.certificate));
    let text = private_key_pem(&private);
    assert_eq!(contents(text.as_bytes()), ("PRIVATE KEY".into(), private.to_vec()));
    assert_eq!(contents(public_key_pem(&public).as_bytes()), ("PUBLIC KEY".into(), public));
}

#[test]
fn a_kubeconfig_parses_whatever_its_names() {
    let ca = new_ca("kubernetes", NOW, 1_000_000).unwrap();
    let other = new_ca("kubernetes", NOW, 1_000_000).unwrap();
    let leaf = issue(&ca.certificate, &ca.key, &LeafProfile::admin(), NOW, 1_000_000).unwrap();
    for user in ["system:kube-scheduler", "yes", "o'\"\\\n  token: x #é\u{7f}\u{200b}"] {
        let server = "https://192.0.2.7:6443";
        let trusted = [ca.certificate.clone(), other.certificate.clone()];
        let text = kubeconfig("prod", server, &trusted, user, &leaf.certificate, &leaf.key);
        let config: Value = serde_yaml_ng::from_str(&text).unwrap();
        let context = format!("{user}@prod");
        assert_eq!(config["current-context"], context.as_str());
        assert_eq!(config["contexts"][0]["name"], context.as_str());
        assert_eq!(config["contexts"][0]["context"]["cluster"], "prod");
        assert_eq!(config["contexts"][0]["context"]["user"], context.as_str());
        assert_eq!(config["clusters"][0]["name"], "prod");
        assert_eq!(config["clusters"][0]["cluster"]["server"], server);
        assert_eq!(config["users"][0]["name"], context.as_str());
        let data = |value: &Value| contents(&STANDARD.decode(value.as_str().unwrap()).unwrap()).1;
        let credentials = &config["users"][0]["user"];
        let authority = &config["clusters"][0]["cluster"]["certificate-authority-data"];
        let both = STANDARD.decode(authority.as_str().unwrap()).unwrap();
        let both = String::from_utf8(both).unwrap();
        let expected = certificate_pem(&ca.certificate) + &certificate_pem(&other.certificate);
        assert_eq!(both, expected);
        assert_eq!(data(&credentials["client-certificate-data"]), leaf.certificate);
        assert_eq!(data(&credentials["client-key-data"]), leaf.key.to_vec());
    }
}
