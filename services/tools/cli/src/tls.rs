//! TLS to the server, and why one of the two refuses the other.

use crate::error::Failure;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, Uri};

/// How long the other side has to say why.
const LIMIT: Duration = Duration::from_secs(3);

/// PEM files for an https:// server.
pub struct Tls {
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(Failure::file(path))
}

impl Tls {
    /// For calls; none without authorities.
    pub fn config(&self) -> Result<Option<ClientTlsConfig>, Failure> {
        let Some(ca) = &self.ca else { return Ok(None) };
        let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
        Ok(Some(match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                config.identity(Identity::from_pem(read(certificate)?, read(key)?))
            }
            _ => config,
        }))
    }

    /// For a handshake that tells why; none where the files are of no use, which the calls say.
    pub fn probe(&self, server: &str) -> Option<Probe> {
        let uri: Uri = oi_events::parsed(server)?;
        let host = uri.host()?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(443);
        Some(Probe { host, port, config: Arc::new(self.rustls()?) })
    }

    fn rustls(&self) -> Option<ClientConfig> {
        let certificates = |path: &PathBuf| -> Option<Vec<CertificateDer<'static>>> {
            let Ok(all) = CertificateDer::pem_file_iter(path) else { return None };
            let Ok(all) = all.collect() else { return None };
            Some(all)
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(self.ca.as_ref()?)?);
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let Ok(builder) = builder.with_safe_default_protocol_versions() else { return None };
        let builder = builder.with_root_certificates(roots);
        let mut config = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let Ok(key) = PrivateKeyDer::from_pem_file(key) else { return None };
                let made = builder.with_client_auth_cert(certificates(certificate)?, key);
                let Ok(config) = made else { return None };
                config
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Some(config)
    }
}

/// A handshake beside the calls: what they get to know of it is a text.
pub struct Probe {
    host: String,
    port: u16,
    config: Arc<ClientConfig>,
}

impl Probe {
    /// Why the server refuses this client, or this client the server; none where neither does, or
    /// TLS does not tell.
    pub async fn refusal(&self) -> Option<rustls::Error> {
        let Ok(Err(error)) = tokio::time::timeout(LIMIT, self.connect()).await else { return None };
        error.get_ref()?.downcast_ref::<rustls::Error>().cloned()
    }

    async fn connect(&self) -> std::io::Result<u8> {
        let name = ServerName::try_from(self.host.clone()).map_err(std::io::Error::other)?;
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let mut stream = TlsConnector::from(self.config.clone()).connect(name, stream).await?;
        // TLS 1.3: a client hears after its handshake whether the server takes its certificate.
        stream.read_u8().await
    }
}

/// What an error of TLS means for who runs `oi`, and what to do.
pub fn advice(error: &rustls::Error) -> &'static str {
    use AlertDescription as Alert;
    use CertificateError as Own;
    match error {
        rustls::Error::AlertReceived(alert) => match *alert {
            Alert::CertificateRevoked => {
                "your certificate is on the deny list of the server: ask an administrator for another one"
            }
            Alert::CertificateExpired => {
                "your certificate has ended, or is not valid yet: have a new one made (deploy/certificates), and compare the clocks"
            }
            // Of another authority with the same name, it is the signature that does not fit.
            Alert::UnknownCA | Alert::BadCertificate | Alert::DecryptError => {
                "the server does not know the authority of your certificate: use one that is in its --tls-client-ca"
            }
            Alert::CertificateRequired | Alert::HandshakeFailure => {
                "the server asks for a client certificate: --tls-cert and --tls-key, or OI_TLS_CERT and OI_TLS_KEY"
            }
            _ => "the server refuses your certificate",
        },
        rustls::Error::InvalidCertificate(own) => match own {
            Own::UnknownIssuer | Own::BadSignature => {
                "the server's certificate is of no authority in --tls-ca: use the file of that server"
            }
            Own::Expired
            | Own::ExpiredContext { .. }
            | Own::NotValidYet
            | Own::NotValidYetContext { .. } => {
                "the server's certificate has ended, or is not valid yet: its administrator replaces it; compare the clocks"
            }
            Own::NotValidForName | Own::NotValidForNameContext { .. } => {
                "the server's certificate is for other names: use one of those in --server"
            }
            _ => "the server's certificate is of no use",
        },
        rustls::Error::InvalidMessage(_) => {
            "what answers there speaks no TLS: use http:// in --server, if it is meant to"
        }
        _ => "there is no TLS with it",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use oi_pki::{LeafProfile, Material, certificate_pem, issue, new_ca, private_key_pem};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::server::WebPkiClientVerifier;
    use std::time::{SystemTime, UNIX_EPOCH};
    use tempfile::TempDir;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    const DAY: u64 = 24 * 3600 * 1000;

    struct Setup {
        dir: TempDir,
        ca: Material,
        server: String,
    }

    fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
    }

    /// A server with mutual TLS, which says a byte to whom it lets in.
    async fn setup() -> Setup {
        let dir = tempfile::tempdir().unwrap();
        let ca = new_ca("ours", now(), DAY).unwrap();
        let profile = LeafProfile::kube_apiserver(vec!["localhost".into()], vec![]);
        let own = issue(&ca.certificate, &ca.key, &profile, now(), DAY).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca.certificate.clone().into()).unwrap();
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![own.certificate.clone().into()],
                PrivatePkcs8KeyDer::from(own.key.to_vec()).into(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    tokio::io::AsyncWriteExt::write_all(&mut stream, b"x").await.unwrap();
                }
            }
        });
        std::fs::write(dir.path().join("ca.crt"), certificate_pem(&ca.certificate)).unwrap();
        Setup { dir, ca, server }
    }

    impl Setup {
        fn client(&self, ca: &Material, begins: u64, life: u64) -> Tls {
            let profile = LeafProfile::client("alice", &["oi:admin"]);
            let made = issue(&ca.certificate, &ca.key, &profile, begins, life).unwrap();
            let path = |name: &str| self.dir.path().join(name);
            std::fs::write(path("c.crt"), certificate_pem(&made.certificate)).unwrap();
            std::fs::write(path("c.key"), private_key_pem(&made.key)).unwrap();
            let (certificate, key) = (Some(path("c.crt")), Some(path("c.key")));
            Tls { ca: Some(path("ca.crt")), certificate, key }
        }

        async fn told(&self, tls: &Tls) -> Option<&'static str> {
            let refusal = tls.probe(&self.server).unwrap().refusal().await;
            refusal.as_ref().map(advice)
        }
    }

    #[tokio::test]
    async fn who_is_refused_is_told_why_and_what_to_do() {
        let setup = setup().await;
        let good = setup.client(&setup.ca, now(), DAY);
        assert_eq!(setup.told(&good).await, None, "it is let in");

        let ended = setup.client(&setup.ca, now() - 10 * DAY, DAY);
        assert!(setup.told(&ended).await.unwrap().contains("has ended"));
        for name in ["other", "ours"] {
            let others = new_ca(name, now(), DAY).unwrap();
            let told = setup.told(&setup.client(&others, now(), DAY)).await.unwrap();
            assert!(told.contains("does not know the authority"), "{told}");
        }
        let none = Tls { certificate: None, key: None, ..setup.client(&setup.ca, now(), DAY) };
        assert!(setup.told(&none).await.unwrap().contains("asks for a client certificate"));
        // As `oi_gateway` refuses it.
        let denied = rustls::Error::AlertReceived(AlertDescription::CertificateRevoked);
        assert!(advice(&denied).contains("on the deny list"));
    }

    #[tokio::test]
    async fn who_refuses_the_server_is_told_why() {
        let setup = setup().await;
        let client = setup.client(&setup.ca, now(), DAY);
        let elsewhere = setup.server.replace("localhost", "127.0.0.1");
        let refusal = client.probe(&elsewhere).unwrap().refusal().await.unwrap();
        assert!(advice(&refusal).contains("other names"), "{refusal}");
        let others = new_ca("other", now(), DAY).unwrap();
        let pem = certificate_pem(&others.certificate);
        std::fs::write(setup.dir.path().join("ca.crt"), pem).unwrap();
        assert!(setup.told(&client).await.unwrap().contains("no authority in --tls-ca"));
    }

    #[tokio::test]
    async fn a_server_that_is_away_refuses_nobody() {
        let setup = setup().await;
        let client = setup.client(&setup.ca, now(), DAY);
        let away = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let probe = client.probe(&format!("https://localhost:{}", away.port())).unwrap();
        assert_eq!(probe.refusal().await, None);
    }
}
