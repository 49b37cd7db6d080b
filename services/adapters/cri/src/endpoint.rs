//! Where a CRI endpoint is, and how to connect to it.

use hyper_util::rt::TokioIo;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::net::UnixStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity, Uri};

const CONNECT: Duration = Duration::from_secs(5);

/// PEM files for mutual TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The CA of the endpoint's certificate.
    pub ca: PathBuf,
    /// Client certificate.
    pub certificate: PathBuf,
    /// Client key.
    pub key: PathBuf,
}

/// Why an endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// It has neither of the two forms.
    #[error("CRI endpoint {0:?} is malformed: write unix:///path or tcp://host:port")]
    Malformed(String),
    /// TCP without TLS: a CRI endpoint gives root on its machine.
    #[error("CRI endpoint {0} needs mutual TLS: give the files of authority, certificate and key")]
    NeedsTls(String),
    /// A PEM file cannot be read.
    #[error("cannot read {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The PEM files cannot be used.
    #[error("the TLS files of CRI endpoint {endpoint} are not usable")]
    Tls {
        /// The endpoint.
        endpoint: String,
        /// The cause.
        #[source]
        source: tonic::transport::Error,
    },
}

/// A CRI endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket on this machine.
    Unix(PathBuf),
    /// Another machine.
    Tcp {
        /// `host:port`.
        authority: String,
        /// Mutual TLS.
        tls: TlsFiles,
    },
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix://{}", path.display()),
            Endpoint::Tcp { authority, .. } => write!(f, "tcp://{authority}"),
        }
    }
}

/// When each of the files of an endpoint was changed; none for one that cannot be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileTimes(Vec<Option<SystemTime>>);

impl Endpoint {
    /// When its files were changed. A client has read them once.
    pub fn file_times(&self) -> FileTimes {
        let at = |path: &PathBuf| {
            // Whoever reads it says why.
            let Ok(at) = std::fs::metadata(path).and_then(|m| m.modified()) else { return None };
            Some(at)
        };
        match self {
            Endpoint::Unix(_) => FileTimes::default(),
            Endpoint::Tcp { tls, .. } => {
                FileTimes([&tls.ca, &tls.certificate, &tls.key].map(at).to_vec())
            }
        }
    }

    /// Reads `unix:///path` or `tcp://host:port`.
    ///
    /// # Errors
    /// If it is neither, or TLS files are missing.
    pub fn parse(text: &str, tls: Option<TlsFiles>) -> Result<Endpoint, EndpointError> {
        if let Some(path) = text.strip_prefix("unix://").filter(|p| p.starts_with('/')) {
            return Ok(Endpoint::Unix(path.into()));
        }
        let authority = text
            .strip_prefix("tcp://")
            .filter(|a| {
                a.contains(':') && a.parse::<tonic::codegen::http::uri::Authority>().is_ok()
            })
            .ok_or_else(|| EndpointError::Malformed(text.to_owned()))?;
        let tls = tls.ok_or_else(|| EndpointError::NeedsTls(text.to_owned()))?;
        Ok(Endpoint::Tcp { authority: authority.to_owned(), tls })
    }

    /// A channel that connects when it is first used, and reconnects.
    ///
    /// # Errors
    /// If the TLS files cannot be used.
    pub fn channel(&self) -> Result<Channel, EndpointError> {
        match self {
            Endpoint::Unix(path) => {
                let path = path.clone();
                let connector = tower::service_fn(move |_: Uri| {
                    let path = path.clone();
                    async move { UnixStream::connect(path).await.map(TokioIo::new) }
                });
                Ok(Channel::from_static("http://cri.invalid")
                    .connect_timeout(CONNECT)
                    .connect_with_connector_lazy(connector))
            }
            Endpoint::Tcp { authority, tls } => {
                let read = |path: &PathBuf| {
                    std::fs::read(path)
                        .map_err(|source| EndpointError::File { path: path.clone(), source })
                };
                let config = ClientTlsConfig::new()
                    .ca_certificate(Certificate::from_pem(read(&tls.ca)?))
                    .identity(Identity::from_pem(read(&tls.certificate)?, read(&tls.key)?));
                let failed = |source| EndpointError::Tls { endpoint: self.to_string(), source };
                let uri = format!("https://{authority}")
                    .parse::<Uri>()
                    .map_err(|_| EndpointError::Malformed(self.to_string()))?;
                Ok(Channel::builder(uri)
                    .connect_timeout(CONNECT)
                    .tls_config(config)
                    .map_err(failed)?
                    .connect_lazy())
            }
        }
    }
}
