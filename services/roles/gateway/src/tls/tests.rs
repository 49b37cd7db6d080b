#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use oi_clock::now_ms;
use oi_pki::{LeafProfile, Material, certificate_pem, issue, new_ca, private_key_pem};
use rustls::ClientConfig;
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use std::path::Path;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const DAY: u64 = 24 * 3600 * 1000;
/// Longer than it takes to see that a file has changed.
const SOON: Duration = Duration::from_secs(10);

struct Setup {
    unusable: IntGauge,
    dir: TempDir,
    ca: Material,
    address: std::net::SocketAddr,
}

fn sign(ca: &Material, profile: &LeafProfile, life_ms: u64) -> Material {
    // Certificates begin five minutes before.
    issue(&ca.certificate, &ca.key, profile, now_ms(), life_ms).unwrap()
}

fn write(path: &Path, text: &str) {
    let part = path.with_extension("part");
    std::fs::write(&part, text).unwrap();
    std::fs::rename(part, path).unwrap();
}

/// A server that sends back what it hears.
async fn setup() -> Setup {
    let dir = tempfile::tempdir().unwrap();
    let ca = new_ca("test", now_ms(), DAY).unwrap();
    let server = sign(&ca, &LeafProfile::kube_apiserver(vec!["localhost".into()], vec![]), DAY);
    let path = |name: &str| dir.path().join(name);
    write(&path("ca.crt"), &certificate_pem(&ca.certificate));
    write(&path("server.crt"), &certificate_pem(&server.certificate));
    write(&path("server.key"), &private_key_pem(&server.key));
    write(&path("denied"), "");
    let files = TlsFiles {
        certificate: path("server.crt"),
        key: path("server.key"),
        client_ca: path("ca.crt"),
        denied: Some(path("denied")),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let unusable = IntGauge::new("unusable", "Files.").unwrap();
    let tls = Tls::load(files, Protocol::Http2, unusable.clone()).unwrap();
    let mut connections = tls.accept(listener);
    tokio::spawn(async move {
        while let Some(Ok(connection)) = connections.recv().await {
            tokio::spawn(async move {
                let (mut read, mut write) = tokio::io::split(connection);
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    Setup { unusable, dir, ca, address }
}

impl Setup {
    async fn connect(&self, client: &Material) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.certificate.clone().into()).unwrap();
        let key = PrivatePkcs8KeyDer::from(client.key.to_vec()).into();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![client.certificate.clone().into()], key)
            .unwrap();
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    fn client(&self, life_ms: u64) -> Material {
        sign(&self.ca, &LeafProfile::client("alice", &["oi:admin"]), life_ms)
    }
}

async fn echoes(stream: &mut TlsStream<TcpStream>) -> bool {
    let mut answer = [0; 4];
    let exchange = async {
        stream.write_all(b"ping").await?;
        stream.flush().await?;
        stream.read_exact(&mut answer).await
    };
    matches!(tokio::time::timeout(SOON, exchange).await, Ok(Ok(_))) && answer == *b"ping"
}

/// Whether the other side ends a connection on which nothing is sent.
async fn is_cut(stream: &mut TlsStream<TcpStream>) -> bool {
    let read = tokio::time::timeout(SOON, stream.read_u8()).await;
    read.expect("the connection stays open").is_err()
}

#[tokio::test]
async fn an_open_connection_ends_when_its_certificate_is_denied() {
    let setup = setup().await;
    for by_serial in [true, false] {
        write(&setup.dir.path().join("denied"), "");
        tokio::time::sleep(LOOK * 2).await;
        let (client, other) = (setup.client(DAY), setup.client(DAY));
        let mut open = setup.connect(&client).await.unwrap();
        let mut stays = setup.connect(&other).await.unwrap();
        assert!(echoes(&mut open).await && echoes(&mut stays).await);
        let line = if by_serial {
            format!("serial={}\n", client.serial_hex)
        } else {
            let hash = <sha2::Sha256 as sha2::Digest>::digest(&client.certificate);
            format!("# stolen\n{}\n", hex::encode(hash))
        };
        write(&setup.dir.path().join("denied"), &line);
        assert!(is_cut(&mut open).await, "by serial: {by_serial}");
        assert!(echoes(&mut stays).await, "others go on");
        // TLS 1.3: the client learns after its handshake.
        let anew = setup.connect(&client).await;
        assert!(anew.is_err() || is_cut(&mut anew.unwrap()).await, "nor does it get in again");
    }
}

#[tokio::test]
async fn a_deny_list_counts_where_the_servers_certificate_is_of_no_use() {
    let setup = setup().await;
    let client = setup.client(DAY);
    let mut open = setup.connect(&client).await.unwrap();
    assert!(echoes(&mut open).await);
    write(&setup.dir.path().join("server.crt"), "junk");
    write(&setup.dir.path().join("denied"), &client.serial_hex);
    assert!(is_cut(&mut open).await);
}

#[tokio::test]
async fn an_open_connection_ends_with_its_certificate() {
    let setup = setup().await;
    let mut open = setup.connect(&setup.client(2000)).await.unwrap();
    assert!(echoes(&mut open).await);
    assert!(is_cut(&mut open).await);
}

#[tokio::test]
async fn an_open_connection_ends_when_its_authority_is_taken_away() {
    let setup = setup().await;
    let mut open = setup.connect(&setup.client(DAY)).await.unwrap();
    assert!(echoes(&mut open).await);
    let other = new_ca("other", now_ms(), DAY).unwrap();
    write(&setup.dir.path().join("ca.crt"), &certificate_pem(&other.certificate));
    assert!(is_cut(&mut open).await);
}

#[tokio::test]
async fn a_malformed_line_of_the_deny_list_stops_no_other_withdrawal() {
    let setup = setup().await;
    let denied = setup.dir.path().join("denied");
    let (first, second, third) = (setup.client(DAY), setup.client(DAY), setup.client(DAY));
    write(&denied, &first.serial_hex);
    tokio::time::sleep(LOOK * 2).await;
    let mut open = setup.connect(&second).await.unwrap();
    let mut stays = setup.connect(&third).await.unwrap();
    assert!(echoes(&mut open).await && echoes(&mut stays).await);
    assert_eq!(setup.unusable.get(), 0);
    // The line of the first is lost meanwhile: it is not let in again by a mistake.
    write(&denied, &format!("alice\n{}\n", second.serial_hex));
    assert!(is_cut(&mut open).await, "the line after the malformed one counts");
    assert_eq!(setup.unusable.get(), 1);
    let anew = setup.connect(&first).await;
    assert!(anew.is_err() || is_cut(&mut anew.unwrap()).await, "what was denied stays so");
    assert!(echoes(&mut stays).await);
    // An authority is taken away while the list makes no sense.
    let other = new_ca("other", now_ms(), DAY).unwrap();
    write(&setup.dir.path().join("ca.crt"), &certificate_pem(&other.certificate));
    assert!(is_cut(&mut stays).await);
    write(&denied, "");
    tokio::time::sleep(LOOK * 2).await;
    assert_eq!(setup.unusable.get(), 0);
}

#[tokio::test]
async fn who_is_denied_is_told_that_the_certificate_is_revoked() {
    let setup = setup().await;
    let client = setup.client(DAY);
    write(&setup.dir.path().join("denied"), &client.serial_hex);
    tokio::time::sleep(LOOK * 2).await;
    let error = match setup.connect(&client).await {
        Err(error) => error,
        // TLS 1.3: the client learns after its handshake.
        Ok(mut stream) => tokio::time::timeout(SOON, stream.read_u8()).await.unwrap().unwrap_err(),
    };
    let told = error.get_ref().unwrap().downcast_ref::<rustls::Error>();
    let revoked = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRevoked);
    assert_eq!(told, Some(&revoked));
}
