//! Waits until an address answers `GET` with 200.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(50);

/// What to ask.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Address and port; no names are looked up.
    pub address: SocketAddr,
    /// Absolute path, for example `/readyz`.
    pub path: String,
    /// PEM file of the only CA certificates that are trusted; none for plain HTTP.
    pub ca: Option<PathBuf>,
    /// PEM files of a client certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// How long to try.
    pub timeout: Duration,
}

/// Why it did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A PEM file is not usable.
    #[error("{path} is not usable")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// TLS cannot be set up, or the other side is not trusted.
    #[error("TLS")]
    Tls(#[from] rustls::Error),
    /// No connection, or it broke.
    #[error("connection to {address}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another status than 200.
    #[error("answer {0:?}")]
    Status(String),
}

fn tls(probe: &Probe) -> Result<Option<Arc<rustls::ClientConfig>>, ProbeError> {
    let Some(ca) = &probe.ca else { return Ok(None) };
    let pem = |path: &PathBuf| {
        let path = path.clone();
        move |source| ProbeError::Pem { path, source }
    };
    let mut roots = rustls::RootCertStore::empty();
    for authority in CertificateDer::pem_file_iter(ca).map_err(pem(ca))? {
        roots.add(authority.map_err(pem(ca))?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(Some(Arc::new(match &probe.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder.with_client_auth_cert(
            vec![CertificateDer::from_pem_file(certificate).map_err(pem(certificate))?],
            PrivateKeyDer::from_pem_file(key).map_err(pem(key))?,
        )?,
    })))
}

fn once(probe: &Probe, tls: Option<&Arc<rustls::ClientConfig>>) -> Result<String, ProbeError> {
    let failed = |source| ProbeError::Io { address: probe.address, source };
    let limit = Duration::from_secs(5);
    let mut tcp = TcpStream::connect_timeout(&probe.address, limit).map_err(failed)?;
    tcp.set_read_timeout(Some(limit)).map_err(failed)?;
    tcp.set_write_timeout(Some(limit)).map_err(failed)?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        probe.path, probe.address
    );
    let exchange = |stream: &mut (dyn ReadWrite + '_)| -> Result<String, ProbeError> {
        stream.write_all(request.as_bytes()).map_err(failed)?;
        let mut answer = Vec::new();
        // Some servers close the connection without TLS's close_notify: what came counts.
        match stream.take(8192).read_to_end(&mut answer) {
            Err(error) if answer.is_empty() => Err(failed(error)),
            _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
        }
    };
    let answer = match tls {
        None => exchange(&mut tcp)?,
        Some(config) => {
            let name = ServerName::IpAddress(probe.address.ip().into());
            let mut session = rustls::ClientConnection::new(config.clone(), name)?;
            exchange(&mut rustls::Stream::new(&mut session, &mut tcp))?
        }
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let line = head.lines().next().unwrap_or_default();
    if line.split(' ').nth(1) == Some("200") {
        return Ok(body.to_owned());
    }
    Err(ProbeError::Status(line.to_owned()))
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// Asks until the answer is 200. Returns its body, cut at 8 KiB.
///
/// # Errors
/// The last failure, when the time is over.
pub fn probe(probe: &Probe) -> Result<String, ProbeError> {
    let tls = tls(probe)?;
    let start = Instant::now();
    let end = start + probe.timeout;
    loop {
        match once(probe, tls.as_ref()) {
            Ok(body) => return Ok(body),
            Err(e) if Instant::now() >= end => return Err(e),
            // The longer it takes, the less often it is asked: others may need the processor.
            Err(_) => std::thread::sleep(PAUSE.max(start.elapsed() / 50)),
        }
    }
}
