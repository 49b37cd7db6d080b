//! What listens where a CRI endpoint should be.
#![allow(clippy::unwrap_used, missing_docs)]

use oi_cri::fake::FakeCri;
use oi_cri::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::Path;
use tokio::io::AsyncWriteExt;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

fn unix(path: &Path) -> CriClient {
    let text = format!("unix://{}", path.display());
    CriClient::new(&Endpoint::parse(&text, None).unwrap()).unwrap()
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let dir = tempfile::tempdir().unwrap();
    let error = unix(&dir.path().join("no.sock")).version().await.unwrap_err();
    assert!(matches!(error, CriError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("no.sock"));
}

#[tokio::test]
async fn something_else_is_not_cri() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    let error = unix(&path).version().await.unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
}

#[tokio::test]
async fn another_grpc_service_is_not_cri() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
    let routes = tonic::service::Routes::default();
    let server = tonic::transport::Server::builder().add_routes(routes);
    tokio::spawn(async move { server.serve_with_incoming(incoming).await });
    let error = unix(&path).version().await.unwrap_err();
    assert!(matches!(error, CriError::NotCri { .. }), "{error:?}");
}

#[tokio::test]
async fn something_that_never_answers_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("silent.sock");
    let _listener = tokio::net::UnixListener::bind(&path).unwrap();
    let error = unix(&path).version().await.unwrap_err();
    assert!(matches!(error, CriError::Unreachable { .. }), "{error:?}");
}

/// An authority's certificate, and a certificate and key signed by it, in PEM.
fn authority_and_leaf(host: &str) -> (String, String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    (ca.pem(), leaf.pem(), key.serialize_pem())
}

fn files(dir: &Path, name: &str, (ca, certificate, key): &(String, String, String)) -> TlsFiles {
    let write = |kind: &str, text: &str| {
        let path = dir.join(format!("{name}-{kind}.pem"));
        std::fs::write(&path, text).unwrap();
        path
    };
    TlsFiles { ca: write("ca", ca), certificate: write("crt", certificate), key: write("key", key) }
}

#[tokio::test]
async fn tcp_needs_certificates_of_one_authority_on_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let ours = authority_and_leaf("localhost");
    let strangers = authority_and_leaf("localhost");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://localhost:{}", listener.local_addr().unwrap().port());
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(&ours.1, &ours.2))
        .client_ca_root(Certificate::from_pem(&ours.0));
    let _serving = FakeCri::new(dir.path()).serve_tls(listener, tls).unwrap();
    let client =
        |tls: TlsFiles| CriClient::new(&Endpoint::parse(&endpoint, Some(tls)).unwrap()).unwrap();
    let good = files(dir.path(), "good", &ours);
    assert_eq!(client(good.clone()).version().await.unwrap(), "fake v1");
    // The server's authority is another one.
    let bad = files(dir.path(), "bad", &strangers);
    client(bad.clone()).version().await.unwrap_err();
    // Ours is right, but it does not know our certificate.
    client(TlsFiles { ca: good.ca, ..bad }).version().await.unwrap_err();
}

#[test]
fn malformed_endpoints_are_refused() {
    for text in ["", "unix://relative", "tcp://host", "tcp://h:1", "ftp://x", "/run/x.sock"] {
        assert!(Endpoint::parse(text, None).is_err(), "{text:?}");
    }
}
