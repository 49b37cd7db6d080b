//! Mutual TLS whose files can be replaced while it runs.

use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Whoever does not finish the handshake by then is dropped.
const HANDSHAKE: Duration = Duration::from_secs(10);
const BACKLOG: usize = 64;

/// PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities of clients.
    pub client_ca: PathBuf,
}

/// Why TLS is not served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file.
    #[error("{path} holds no usable PEM")]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The authorities.
    #[error("{path} holds no usable authority of clients")]
    Ca {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Certificate and key.
    #[error("certificate {path} and its key are of no use")]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

impl TlsFiles {
    fn load(&self) -> Result<TlsAcceptor, TlsError> {
        let pem = |path: &PathBuf| {
            let path = path.clone();
            move |source| TlsError::Pem { path, source }
        };
        let authority = |e: Box<dyn std::error::Error + Send + Sync>| TlsError::Ca {
            path: self.client_ca.clone(),
            source: e,
        };
        let read = |path: &PathBuf| -> Result<Vec<CertificateDer<'static>>, TlsError> {
            CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(pem(path))
        };
        let mut roots = RootCertStore::empty();
        for certificate in read(&self.client_ca)? {
            roots.add(certificate).map_err(|e| authority(e.into()))?;
        }
        let provider = Arc::new(default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            .build()
            .map_err(|e| authority(e.into()))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(pem(&self.key))?;
        let unusable = |source| TlsError::Certificate { path: self.certificate.clone(), source };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(read(&self.certificate)?, key)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// When each file was changed; none where it cannot be looked at: loading it says why.
    fn changed(&self) -> Vec<Option<SystemTime>> {
        let at = |path: &PathBuf| {
            let Ok(at) = std::fs::metadata(path).and_then(|m| m.modified()) else { return None };
            Some(at)
        };
        [&self.certificate, &self.key, &self.client_ca].map(at).to_vec()
    }
}

/// The acceptor of the files as they were when they last made sense.
#[derive(Clone)]
pub struct Tls {
    files: TlsFiles,
    current: Arc<RwLock<TlsAcceptor>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Where they make no sense.
    pub fn load(files: TlsFiles) -> Result<Tls, TlsError> {
        let current = Arc::new(RwLock::new(files.load()?));
        Ok(Tls { files, current })
    }

    /// Reads the files again when they change, without end. What makes no sense is left
    /// aside: the next change may.
    async fn keep(self) {
        let mut seen = self.files.changed();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.files.changed();
            if now == seen {
                continue;
            }
            match self.files.load() {
                Ok(acceptor) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = acceptor;
                    tracing::info!("TLS files read again");
                    seen = now;
                }
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "TLS files changed, and are of no use yet"
                ),
            }
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Connections whose handshake is done, until nobody takes them. None of them waits for
    /// another.
    pub fn accept(
        self,
        listener: TcpListener,
    ) -> mpsc::Receiver<std::io::Result<TlsStream<TcpStream>>> {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        tokio::spawn(async move {
            let keeping = tokio::spawn(self.clone().keep());
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = sender.closed() => break,
                };
                let (stream, peer) = match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // No more files, for example: soon there are.
                        tracing::warn!(%error, "no connection accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                };
                let (acceptor, sender) = (self.acceptor(), sender.clone());
                tokio::spawn(async move {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%peer, %error, "small answers may come late");
                    }
                    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => drop(sender.send(Ok(stream)).await),
                        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS connection"),
                        Err(_) => tracing::debug!(%peer, "no handshake"),
                    }
                });
            }
            keeping.abort();
        });
        receiver
    }
}
