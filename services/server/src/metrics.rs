//! Metrics, liveness and readiness over HTTP.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use oi_journal::Journal;
use prometheus::{Registry, TextEncoder};
use std::net::SocketAddr;
use tokio_util::sync::CancellationToken;

/// What the endpoints look at.
#[derive(Clone)]
pub struct Endpoints {
    /// All metrics of this process.
    pub registry: Registry,
    /// The connection to the broker.
    pub journal: Journal,
}

async fn metrics(State(endpoints): State<Endpoints>) -> Result<String, StatusCode> {
    TextEncoder::new()
        .encode_to_string(&endpoints.registry.gather())
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn ready(State(endpoints): State<Endpoints>) -> (StatusCode, &'static str) {
    if endpoints.journal.is_connected() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no connection to the broker\n")
    }
}

/// Serves until stopped.
///
/// # Errors
/// Where the address is taken.
pub async fn serve(
    address: SocketAddr,
    endpoints: Endpoints,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .with_state(endpoints);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
}
