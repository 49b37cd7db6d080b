//! Serving the page.

use crate::history::History;
use crate::routes;
use crate::visitors::{Admitted, Visitors, admit};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Why the page is not served.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The address is not to be had.
    #[error("cannot serve the page on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Serving ended.
    #[error("the page is not served any more")]
    Serve(#[source] std::io::Error),
}

/// Nothing is loaded from elsewhere, and nothing is framed.
const POLICY: &str =
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// On loopback, only names of this machine are answered: a page of somebody else whose
/// name leads here (DNS rebinding) must not read this one.
async fn guard(request: Request, next: Next, loopback: bool) -> Response {
    let host = match request.headers().get(header::HOST).map(HeaderValue::to_str) {
        Some(Ok(host)) => host,
        // No name of this machine.
        Some(Err(_)) | None => "",
    };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if loopback && !["localhost", "127.0.0.1", "[::1]"].contains(&name) {
        let text = "ask for it as localhost or 127.0.0.1\n";
        return (StatusCode::MISDIRECTED_REQUEST, text).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn file(kind: &'static str, content: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], content)
}

/// Takes an address for the page.
///
/// # Errors
/// Where it is taken.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, PageError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| PageError::Listen { address, source })
}

/// Serves whoever connects, until stopped.
///
/// # Errors
/// Where serving fails.
pub async fn serve(
    listener: TcpListener,
    history: History,
    stop: CancellationToken,
) -> Result<(), PageError> {
    let address = listener.local_addr().map_err(PageError::Serve)?;
    let router = router(history, stop.clone(), address.ip().is_loopback());
    tracing::info!(%address, tls = false, "page served");
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
        .map_err(PageError::Serve)
}

/// Serves those who may see all, until stopped; others are told why not.
///
/// # Errors
/// Where serving fails.
pub async fn serve_to<C>(
    visitors: Visitors<C>,
    history: History,
    stop: CancellationToken,
) -> Result<(), PageError>
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = router(history, stop.clone(), false).layer(middleware::from_fn(admit));
    tracing::info!(tls = true, "page served");
    axum::serve(visitors, router.into_make_service_with_connect_info::<Admitted>())
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
        .map_err(PageError::Serve)
}

fn router(history: History, stop: CancellationToken, loopback: bool) -> Router {
    let html =
        || async { file("text/html; charset=utf-8", include_str!("../static/console.html")) };
    let style = || async { file("text/css; charset=utf-8", include_str!("../static/console.css")) };
    let script =
        || async { file("text/javascript; charset=utf-8", include_str!("../static/console.js")) };
    Router::new()
        .route("/", get(html))
        .route("/console.css", get(style))
        .route("/console.js", get(script))
        .merge(routes::routes(stop))
        .layer(middleware::from_fn(move |request, next| guard(request, next, loopback)))
        .with_state(history)
}
