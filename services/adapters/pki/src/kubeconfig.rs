//! Kubeconfig files of users who authenticate with a certificate.

use crate::encoding::{certificate_pem, private_key_pem};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// A kubeconfig with one context, `user@cluster`, which is the current one. The entry of the user
/// has the same name: of two files that are merged, kubectl keeps one entry of a name. It contains
/// the private key. Names stand in it as given, whatever they contain. The
/// server is trusted by any of the authorities (DER).
pub fn kubeconfig(
    cluster: &str,
    server: &str,
    authorities: &[Vec<u8>],
    user: &str,
    certificate_der: &[u8],
    key_pkcs8: &[u8],
) -> Zeroizing<String> {
    let context = quoted(&format!("{user}@{cluster}"));
    let (cluster, server) = (quoted(cluster), quoted(server));
    let ca: String = authorities.iter().map(|der| certificate_pem(der)).collect();
    let ca = STANDARD.encode(ca);
    let certificate = STANDARD.encode(certificate_pem(certificate_der));
    let key = Zeroizing::new(STANDARD.encode(private_key_pem(key_pkcs8).as_bytes()));
    // One allocation of the right size: growing would leave copies of the key behind.
    let text = [
        "apiVersion: v1\nkind: Config\nclusters:\n- name: ",
        &cluster,
        "\n  cluster:\n    server: ",
        &server,
        "\n    certificate-authority-data: ",
        &ca,
        "\nusers:\n- name: ",
        &context,
        "\n  user:\n    client-certificate-data: ",
        &certificate,
        "\n    client-key-data: ",
        &key,
        "\ncontexts:\n- name: ",
        &context,
        "\n  context:\n    cluster: ",
        &cluster,
        "\n    user: ",
        &context,
        "\ncurrent-context: ",
        &context,
        "\n",
    ];
    Zeroizing::new(text.concat())
}

/// The same for a program that finds authority, certificate and key in files.
pub fn kubeconfig_with_files(
    cluster: &str,
    server: &str,
    ca_file: &str,
    user: &str,
    certificate_file: &str,
    key_file: &str,
) -> String {
    let context = quoted(&format!("{user}@{cluster}"));
    let [cluster, server, user] = [cluster, server, user].map(quoted);
    let [ca, certificate, key] = [ca_file, certificate_file, key_file].map(quoted);
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: {cluster}
  cluster:
    server: {server}
    certificate-authority: {ca}
users:
- name: {user}
  user:
    client-certificate: {certificate}
    client-key: {key}
contexts:
- name: {context}
  context:
    cluster: {cluster}
    user: {user}
current-context: {context}
"
    )
}

/// A double-quoted YAML scalar; all but printable ASCII is escaped.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        other => format!("\\U{:08x}", u32::from(other)),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
