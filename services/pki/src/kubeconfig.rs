//! Kubeconfig files (client.authentication via certificate).

use crate::encoding::{certificate_pem, private_key_pem};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// A kubeconfig with one context, `user@cluster`. It contains the private key.
pub fn kubeconfig(
    cluster: &str,
    server: &str,
    ca: &[u8],
    user: &str,
    certificate: &[u8],
    key: &[u8],
) -> Zeroizing<String> {
    let ca = STANDARD.encode(certificate_pem(ca));
    let certificate = STANDARD.encode(certificate_pem(certificate));
    let key = Zeroizing::new(STANDARD.encode(private_key_pem(key).as_bytes()));
    // JSON strings are YAML strings: names with ':' need the quotes.
    Zeroizing::new(format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: {cluster:?}\n  cluster:\n    server: {server:?}\n    certificate-authority-data: {ca}\nusers:\n- name: {user:?}\n  user:\n    client-certificate-data: {certificate}\n    client-key-data: {}\ncontexts:\n- name: \"{user}@{cluster}\"\n  context:\n    cluster: {cluster:?}\n    user: {user:?}\ncurrent-context: \"{user}@{cluster}\"\n",
        key.as_str()
    ))
}
