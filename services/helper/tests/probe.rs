//! Probing real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Ca(CertifiedIssuer<'static, KeyPair>);

impl Ca {
    fn new() -> Ca {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ca(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn leaf(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }

    fn write(&self, path: &Path) {
        std::fs::write(path, self.0.pem()).unwrap();
    }
}

/// Answers `busy` times with 500, then with 200.
fn answer(stream: &mut (impl Read + Write), busy: &mut u32) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let length = stream.read(&mut request)?;
    assert!(request[..length].starts_with(b"GET /readyz?verbose HTTP/1.1\r\nHost: 127.0.0.1:"));
    let status = if *busy > 0 { "500 Busy" } else { "200 OK" };
    *busy = busy.saturating_sub(1);
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")
}

fn serve(tls: Option<Arc<ServerConfig>>, mut busy: u32) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = match &tls {
                None => answer(&mut stream, &mut busy),
                Some(config) => {
                    let session = ServerConnection::new(config.clone()).unwrap();
                    answer(&mut StreamOwned::new(session, stream), &mut busy)
                }
            };
        }
    });
    address
}

fn tls(ca: &Ca, name: &str, clients: Option<&Ca>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let (certificate, key) = ca.leaf(name);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.0.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap())
}

fn probe(url: &str, more: &[&str], timeout: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oi-helper"));
    command.args(["probe", "--url", url, "--timeout", timeout]).args(more).output().unwrap()
}

#[test]
fn plain_http_until_200() {
    let url = format!("http://{}/readyz?verbose", serve(None, 3));
    let start = Instant::now();
    let output = probe(&url, &[], "10");
    assert!(output.status.success(), "{output:?}");
    assert!(start.elapsed() > Duration::from_millis(140) && start.elapsed().as_secs() < 5);
}

#[test]
fn the_last_reason_is_told() {
    let url = format!("http://{}/readyz?verbose", serve(None, u32::MAX));
    let output = probe(&url, &[], "1");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("500 Busy"));

    // Accepts, but never answers: the timeout holds all the same.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = Instant::now();
    let output = probe(&format!("http://{}/", silent.local_addr().unwrap()), &[], "1");
    assert_eq!(output.status.code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[test]
fn only_the_given_authority_and_address_are_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let (right, wrong) = (Ca::new(), Ca::new());
    let (right_file, wrong_file) = (dir.path().join("right"), dir.path().join("wrong"));
    right.write(&right_file);
    wrong.write(&wrong_file);
    let url = format!("https://{}/readyz?verbose", serve(Some(tls(&right, "127.0.0.1", None)), 0));
    let ca = |path: &Path| ["--ca".to_owned(), path.to_str().unwrap().to_owned()];
    let run = |url: &str, path: &Path| probe(url, &ca(path).each_ref().map(String::as_str), "1");
    let output = run(&url, &right_file);
    assert!(output.status.success(), "{output:?}");
    let output = run(&url, &wrong_file);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("certificate"));
    let other = serve(Some(tls(&right, "127.0.0.2", None)), 0);
    assert_eq!(run(&format!("https://{other}/readyz?verbose"), &right_file).status.code(), Some(1));
    assert_eq!(probe(&url, &[], "1").status.code(), Some(2), "https needs an authority");
}

#[test]
fn client_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::new();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    ca.write(Path::new(&file("ca")));
    let (certificate, key) = ca.leaf("client");
    std::fs::write(file("cert"), certificate.pem()).unwrap();
    std::fs::write(file("key"), key.serialize_pem()).unwrap();
    let server = serve(Some(tls(&ca, "127.0.0.1", Some(&ca))), 0);
    let url = format!("https://{server}/readyz?verbose");
    let with = ["--ca", &file("ca"), "--cert", &file("cert"), "--key", &file("key")];
    let output = probe(&url, &with, "5");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(probe(&url, &with[..2], "1").status.code(), Some(1));
    assert_eq!(probe(&url, &with[..4], "1").status.code(), Some(2));
}
