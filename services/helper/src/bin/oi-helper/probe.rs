//! Waiting until an address answers `GET` with 200.

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(50);
/// A single try.
const TRY: Duration = Duration::from_secs(5);

/// What to ask.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Address and port; no names are looked up.
    pub address: SocketAddr,
    /// Absolute path, for example `/readyz`.
    pub path: String,
    /// PEM file of the only authorities that are trusted; none for plain HTTP.
    pub ca: Option<PathBuf>,
    /// PEM files of a client certificate and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// How long to try.
    pub timeout: Duration,
}

/// Why it did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("{path} is not usable")]
    Pem { path: PathBuf, source: PemError },
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("cannot connect to {address}")]
    Connect { address: SocketAddr, source: std::io::Error },
    #[error("{address} breaks off")]
    Exchange { address: SocketAddr, source: std::io::Error },
    #[error("{address} answers {status:?}")]
    Status { address: SocketAddr, status: String },
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ProbeError> {
    let failed = |source| ProbeError::Pem { path: path.to_owned(), source };
    let found = CertificateDer::pem_file_iter(path).map_err(failed)?;
    found.collect::<Result<_, _>>().map_err(failed)
}

fn tls(probe: &Probe) -> Result<Option<Arc<ClientConfig>>, ProbeError> {
    let Some(ca) = &probe.ca else { return Ok(None) };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(Some(Arc::new(match &probe.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder.with_client_auth_cert(
            certificates(certificate)?,
            PrivateKeyDer::from_pem_file(key)
                .map_err(|source| ProbeError::Pem { path: key.clone(), source })?,
        )?,
    })))
}

fn once(probe: &Probe, tls: Option<&Arc<ClientConfig>>, limit: Duration) -> Result<(), ProbeError> {
    let address = probe.address;
    let mut tcp = TcpStream::connect_timeout(&address, limit)
        .map_err(|source| ProbeError::Connect { address, source })?;
    let failed = |source| ProbeError::Exchange { address, source };
    tcp.set_read_timeout(Some(limit)).map_err(failed)?;
    tcp.set_write_timeout(Some(limit)).map_err(failed)?;
    let status = match tls {
        None => get(probe, &mut tcp).map_err(failed)?,
        Some(config) => {
            let name = ServerName::IpAddress(address.ip().into());
            let mut session = ClientConnection::new(config.clone(), name)?;
            get(probe, rustls::Stream::new(&mut session, &mut tcp)).map_err(failed)?
        }
    };
    if status.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    Err(ProbeError::Status { address, status: status.trim_end().to_owned() })
}

/// Sends the request; returns the status line.
fn get(probe: &Probe, mut stream: impl Read + Write) -> std::io::Result<String> {
    let (path, host) = (&probe.path, probe.address);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut line = String::new();
    BufReader::new(stream.take(8192)).read_line(&mut line)?;
    Ok(line)
}

/// Asks again and again until the answer is 200; what went wrong last, once the time
/// is over.
pub fn probe(probe: &Probe) -> Result<(), ProbeError> {
    let tls = tls(probe)?;
    let end = Instant::now() + probe.timeout;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let limit = left.clamp(Duration::from_millis(100), TRY);
        match once(probe, tls.as_ref(), limit) {
            Ok(()) => return Ok(()),
            Err(e) if Instant::now() + PAUSE >= end => return Err(e),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
