//! Mutual TLS whose files can be replaced while it runs. What they no longer let in ends, open
//! connections too.

mod connection;
mod denied;
#[cfg(test)]
mod tests;
mod trust;

pub use connection::Connection;
pub use denied::DeniedError;

use denied::Denied;
use prometheus::IntGauge;
use rustls::RootCertStore;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use trust::Trust;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Whoever does not finish the handshake by then is dropped.
const HANDSHAKE: Duration = Duration::from_secs(10);
const BACKLOG: usize = 64;

/// When a file was changed, its inode and its length.
type Stamp = (SystemTime, u64, u64);

/// What is spoken over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Http2,
    /// The page.
    Http1,
}

/// PEM files, and a list of what is denied.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authorities of clients.
    pub client_ca: PathBuf,
    /// Client certificates that are denied, if any: by serial number or fingerprint.
    pub denied: Option<PathBuf>,
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
    /// The deny list.
    #[error(transparent)]
    Denied(#[from] DeniedError),
}

impl TlsFiles {
    fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let pem = |source| TlsError::Pem { path: path.to_owned(), source };
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(pem)
    }

    /// What verifies clients' certificates.
    fn load_authorities(&self) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let authority = |e: Box<dyn std::error::Error + Send + Sync>| TlsError::Ca {
            path: self.client_ca.clone(),
            source: e,
        };
        let mut roots = RootCertStore::empty();
        for certificate in Self::certificates(&self.client_ca)? {
            roots.add(certificate).map_err(|e| authority(e.into()))?;
        }
        let provider = Arc::new(default_provider());
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .map_err(|e| authority(e.into()))
    }

    /// Whom to let in.
    fn load_trust(&self) -> Result<Trust, TlsError> {
        let verifier = self.load_authorities()?;
        let denied = self.denied.as_deref().map(Denied::read).transpose()?.unwrap_or_default();
        Ok(Trust { verifier, denied })
    }

    /// How to serve those.
    fn load_server(
        &self,
        trust: &Trust,
        protocol: Protocol,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|source| TlsError::Pem { path: self.key.clone(), source })?;
        let unusable = |source| TlsError::Certificate { path: self.certificate.clone(), source };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_client_cert_verifier(Arc::new(trust.clone()))
            .with_single_cert(Self::certificates(&self.certificate)?, key)
            .map_err(unusable)?;
        config.alpn_protocols = match protocol {
            Protocol::Http2 => vec![b"h2".to_vec()],
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
        };
        Ok(Arc::new(config))
    }

    /// Whether they make sense.
    ///
    /// # Errors
    /// Where they do not.
    pub fn check(&self) -> Result<(), TlsError> {
        self.load_server(&self.load_trust()?, Protocol::Http2).map(drop)
    }

    /// What tells that a file was changed; none where it cannot be looked at: loading it says why.
    /// Its time alone does not: two changes in a row may have the same.
    fn changed(&self) -> Vec<Option<Stamp>> {
        let at = |path: &PathBuf| {
            let Ok(stamp) =
                std::fs::metadata(path).and_then(|m| Ok((m.modified()?, m.ino(), m.len())))
            else {
                return None;
            };
            Some(stamp)
        };
        let files = [&self.certificate, &self.key, &self.client_ca].into_iter();
        files.chain(&self.denied).map(at).collect()
    }
}

/// Mutual TLS by files, as they were when they last made sense. Clones share what was read.
#[derive(Clone)]
pub struct Tls {
    files: TlsFiles,
    /// The files that were read first.
    read: Vec<Option<Stamp>>,
    protocol: Protocol,
    server: Arc<watch::Sender<Arc<ServerConfig>>>,
    trust: Arc<watch::Sender<Trust>>,
    unusable: IntGauge,
}

impl Tls {
    /// Reads the files. `unusable` is 1 while one of them has changed and makes no sense.
    ///
    /// # Errors
    /// Where they make no sense.
    pub fn load(files: TlsFiles, protocol: Protocol, unusable: IntGauge) -> Result<Tls, TlsError> {
        let read = files.changed();
        let trust = files.load_trust()?;
        let server = files.load_server(&trust, protocol)?;
        let (server, trust) = (watch::Sender::new(server), watch::Sender::new(trust));
        let (server, trust) = (Arc::new(server), Arc::new(trust));
        Ok(Tls { files, read, protocol, server, trust, unusable })
    }

    /// Reads the files again. Each counts for itself: what is withdrawn by one of them ends, also
    /// where another one makes no sense.
    fn load_again(&self) -> Vec<TlsError> {
        let (mut trust, mut errors) = (self.trust.borrow().clone(), Vec::new());
        match self.files.load_authorities() {
            Ok(verifier) => trust.verifier = verifier,
            Err(error) => errors.push(error),
        }
        if let Some(path) = &self.files.denied
            && let Err(error) = trust.denied.read_again(path)
        {
            errors.push(error.into());
        }
        self.trust.send_replace(trust.clone());
        match self.files.load_server(&trust, self.protocol) {
            Ok(server) => drop(self.server.send_replace(server)),
            Err(error) => errors.push(error),
        }
        errors
    }

    /// Reads the files again when they change, without end. What makes no sense is left
    /// aside: the next change may.
    async fn keep(self) {
        let mut seen = self.read.clone();
        loop {
            tokio::time::sleep(LOOK).await;
            let now = self.files.changed();
            if now == seen {
                continue;
            }
            let errors = self.load_again();
            self.unusable.set((!errors.is_empty()).into());
            if errors.is_empty() {
                tracing::info!("TLS files read again");
                seen = now;
            }
            for error in &errors {
                let error = error as &dyn std::error::Error;
                tracing::warn!(error, "a TLS file changed, and is of no use yet");
            }
        }
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.server.borrow().clone())
    }

    /// Connections whose handshake is done, until nobody takes them. None of them waits for
    /// another.
    pub fn accept(self, listener: TcpListener) -> mpsc::Receiver<std::io::Result<Connection>> {
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
                let trust = self.trust.subscribe();
                tokio::spawn(async move {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%peer, %error, "small answers may come late");
                    }
                    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => {
                            let connection = Connection::new(stream, peer, trust);
                            if sender.send(Ok(connection)).await.is_err() {
                                tracing::debug!(%peer, "nobody takes connections any more");
                            }
                        }
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
