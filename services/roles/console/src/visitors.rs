//! Those who look at the page from elsewhere.

use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// Connections whose clients are known.
pub struct Visitors<C> {
    /// The connections.
    pub connections: mpsc::Receiver<io::Result<C>>,
    /// Whether the client of a connection may see the page: why not.
    pub admits: fn(&C) -> Result<(), String>,
}

/// Whether a visitor may see the page: why not.
#[derive(Debug, Clone)]
pub struct Admitted(Result<(), String>);

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> Listener for Visitors<C> {
    type Io = C;
    type Addr = Admitted;

    async fn accept(&mut self) -> (C, Admitted) {
        loop {
            match self.connections.recv().await {
                Some(Ok(connection)) => {
                    let admitted = Admitted((self.admits)(&connection));
                    return (connection, admitted);
                }
                Some(Err(error)) => tracing::debug!(%error, "no connection to the page"),
                // The server ends.
                None => std::future::pending().await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Admitted> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connected<IncomingStream<'_, Visitors<C>>>
    for Admitted
{
    fn connect_info(stream: IncomingStream<'_, Visitors<C>>) -> Admitted {
        stream.remote_addr().clone()
    }
}

/// Refuses whoever may not see the page.
pub async fn admit(
    ConnectInfo(Admitted(admitted)): ConnectInfo<Admitted>,
    request: Request,
    next: Next,
) -> Response {
    match admitted {
        Ok(()) => next.run(request).await,
        Err(why) => (StatusCode::FORBIDDEN, format!("{why}\n")).into_response(),
    }
}
