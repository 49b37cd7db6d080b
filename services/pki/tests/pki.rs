//! What users of certificates and keys rely on.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use oi_pki::*;
use std::os::unix::fs::PermissionsExt;
use x509_parser::prelude::{FromDer, X509Certificate};

const NOW: u64 = 1_790_000_000_000;
const YEAR: u64 = 365 * 24 * 3600 * 1000;

#[test]
fn a_leaf_verifies_under_its_authority_only() {
    let (ours, other) = (
        new_authority("kubernetes", NOW, 10 * YEAR).unwrap(),
        new_authority("x", NOW, YEAR).unwrap(),
    );
    let profile = LeafProfile::kube_apiserver(
        vec!["kubernetes".to_owned()],
        vec!["10.96.0.1".parse().unwrap()],
    );
    let leaf = issue(&ours.certificate, &ours.key, &profile, NOW, YEAR).unwrap();
    assert_ne!(leaf.key.as_slice(), ours.key.as_slice());
    let (_, parsed) = X509Certificate::from_der(&leaf.certificate).unwrap();
    let (_, ca) = X509Certificate::from_der(&ours.certificate).unwrap();
    let (_, wrong) = X509Certificate::from_der(&other.certificate).unwrap();
    parsed.verify_signature(Some(ca.public_key())).unwrap();
    parsed.verify_signature(Some(wrong.public_key())).unwrap_err();
    assert!(ca.is_ca() && !parsed.is_ca());
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth);
    let info = inspect(&leaf.certificate).unwrap();
    assert_eq!(info.dns_names, ["kubernetes"]);
    assert_eq!(info.ip_addresses, ["10.96.0.1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(info.serial, leaf.serial);
}

#[test]
fn identities_are_kubeadms() {
    let ca = new_authority("kubernetes", NOW, YEAR).unwrap();
    let admin = LeafProfile::client("kubernetes-admin", &["system:masters"]);
    let leaf = issue(&ca.certificate, &ca.key, &admin, NOW, YEAR).unwrap();
    let info = inspect(&leaf.certificate).unwrap();
    assert_eq!(
        (info.common_name.as_str(), info.organizations[0].as_str()),
        ("kubernetes-admin", "system:masters")
    );
    assert!(LeafProfile::controller_manager().organizations.is_empty());
    assert_eq!(LeafProfile::etcd_member("a", vec![]).usage, Usage::Both);
}

#[test]
fn a_leaf_does_not_outlive_its_authority() {
    let ca = new_authority("kubernetes", NOW, YEAR).unwrap();
    let leaf = issue(&ca.certificate, &ca.key, &LeafProfile::scheduler(), NOW, 9 * YEAR).unwrap();
    assert_eq!(inspect(&leaf.certificate).unwrap().not_after_ms, NOW + YEAR);
}

#[test]
fn sealed_bytes_open_only_unchanged_and_for_their_purpose() {
    let (key, other) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
    let sealed = key.seal(b"ca", b"secret").unwrap();
    assert_eq!(key.open(b"ca", &sealed).unwrap().as_slice(), b"secret");
    assert!(key.open(b"sa", &sealed).is_err() && other.open(b"ca", &sealed).is_err());
    for i in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[i] ^= 1;
        assert!(key.open(b"ca", &changed).is_err(), "byte {i}");
        assert!(key.open(b"ca", &sealed[..i]).is_err(), "cut at {i}");
    }
    assert!(!format!("{key:?}").contains("[") && !sealed.windows(6).any(|w| w == b"secret"));
}

#[test]
fn a_key_file_is_made_once_and_never_exposed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kek");
    let wrapped = std::thread::scope(|s| {
        let makers: Vec<_> =
            (0..8).map(|_| s.spawn(|| KeyEncryptionKey::load_or_create(&path).unwrap())).collect();
        let keys: Vec<_> = makers.into_iter().map(|m| m.join().unwrap()).collect();
        let data = DataKey::generate().unwrap();
        let wrapped = keys[0].wrap(b"uid", &data).unwrap();
        for key in &keys {
            key.unwrap(b"uid", &wrapped).unwrap();
        }
        wrapped
    });
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(KeyEncryptionKey::load(&path).unwrap().unwrap(b"other", &wrapped).is_err());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let error = KeyEncryptionKey::load(&path).err().unwrap().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}
