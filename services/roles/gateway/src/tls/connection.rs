//! A connection that ends with the trust in its client's certificate.

use super::trust::{Trust, Untrusted, remaining};
use rustls::pki_types::CertificateDer;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// How often the clock is asked whether a certificate has ended: it may leap.
const AGAIN: Duration = Duration::from_secs(60);
const LEAST: Duration = Duration::from_millis(100);

type End = Pin<Box<dyn Future<Output = Untrusted> + Send>>;

/// A connection with mutual TLS. It fails as soon as its client's certificate has ended, is denied,
/// or was signed by what is no longer trusted: no request and no watch outlives that.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
    /// None once it has ended.
    end: Option<End>,
}

fn certificates(stream: &TlsStream<TcpStream>) -> Vec<CertificateDer<'static>> {
    let (_, session) = stream.get_ref();
    session.peer_certificates().into_iter().flatten().map(|c| c.clone().into_owned()).collect()
}

/// Waits until the certificates are not trusted any more.
async fn ended(
    mut trust: watch::Receiver<Trust>,
    certificates: Vec<CertificateDer<'static>>,
) -> Untrusted {
    loop {
        if let Err(untrusted) = trust.borrow_and_update().check(&certificates) {
            return untrusted;
        }
        let pause = remaining(&certificates).clamp(LEAST, AGAIN);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = trust.changed() => if changed.is_err() {
                // Nobody reads the files any more: the server ends.
                tokio::time::sleep(pause).await;
            }
        }
    }
}

impl Connection {
    /// A connection whose handshake is done.
    pub(super) fn new(
        stream: TlsStream<TcpStream>,
        peer: SocketAddr,
        trust: watch::Receiver<Trust>,
    ) -> Connection {
        let end = ended(trust, certificates(&stream));
        Connection { stream, peer, end: Some(Box::pin(end)) }
    }

    /// The client's own certificate, DER.
    pub(crate) fn certificate(&self) -> Option<CertificateDer<'static>> {
        certificates(&self.stream).into_iter().next()
    }

    /// Fails once the certificate is not trusted. Otherwise the task is woken when that is so.
    fn trusted(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let untrusted = |error: Untrusted| io::Error::new(io::ErrorKind::PermissionDenied, error);
        let Some(end) = &mut self.end else {
            return Err(io::ErrorKind::PermissionDenied.into());
        };
        match end.as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(why) => {
                self.end = None;
                let error = oi_events::chain(&why);
                tracing::info!(peer = %self.peer, error, "connection closed");
                Err(untrusted(why))
            }
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = <TlsStream<TcpStream> as Connected>::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.trusted(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.trusted(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.trusted(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
