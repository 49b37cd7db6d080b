//! Metrics, liveness and readiness over HTTP.

use crate::config::Role;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use oi_clock::Pulse;
use oi_decider::Clock;
use oi_journal::Log;
use oi_view::View;
use prometheus::{Registry, TextEncoder};
use std::net::SocketAddr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Whoever asks whether it is ready waits no longer than this.
const PATIENCE: Duration = Duration::from_secs(2);
/// A loop that has not gone round for so long hangs: the broker may be away, and calls have limits
/// far below this.
const HANGS: Duration = Duration::from_secs(120);

/// What the endpoints look at.
#[derive(Clone)]
pub struct Endpoints {
    /// All metrics of this process.
    pub registry: Registry,
    /// The log.
    pub log: Log,
    /// The state.
    pub view: View,
    /// That of the decider, where one runs here.
    pub clock: Option<Clock>,
    /// Of loops, by the role that they are of.
    pub pulses: Vec<(Role, Pulse)>,
}

async fn metrics(State(endpoints): State<Endpoints>) -> Result<String, StatusCode> {
    TextEncoder::new()
        .encode_to_string(&endpoints.registry.gather())
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Why this process cannot serve now; none where it can: the broker answers, the log is folded
/// to its end, and a decider knows what time it is.
async fn unready(Endpoints { log, view, clock, .. }: &Endpoints) -> Option<String> {
    if !log.is_connected() {
        return Some("no connection to the broker".to_owned());
    }
    if let Some(Err(error)) = clock.as_ref().map(Clock::now) {
        return Some(error.to_string());
    }
    let end = match tokio::time::timeout(PATIENCE, log.last_position()).await {
        Ok(Ok(end)) => end,
        Ok(Err(error)) => return Some(crate::check::chain(&error)),
        Err(_) => return Some("the broker does not say where the log ends".to_owned()),
    };
    match tokio::time::timeout(PATIENCE, view.wait_for(end)).await {
        Ok(Ok(())) => None,
        _ => Some(format!("the log is folded to {} of {end}", view.position())),
    }
}

async fn ready(State(endpoints): State<Endpoints>) -> (StatusCode, String) {
    match unready(&endpoints).await {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

/// A part that ended takes its process with it; what is left to tell is a loop that hangs.
fn live(pulses: &[(Role, Pulse)], hangs: Duration) -> (StatusCode, String) {
    match pulses.iter().find(|(_, pulse)| pulse.age() >= hangs) {
        None => (StatusCode::OK, "alive\n".to_owned()),
        Some((role, pulse)) => {
            let since = pulse.age().as_secs();
            let text = format!("not alive: the {role:?} has not moved for {since} s\n");
            (StatusCode::SERVICE_UNAVAILABLE, text.to_lowercase())
        }
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
        .route("/livez", get(|State(e): State<Endpoints>| async move { live(&e.pulses, HANGS) }))
        .route("/readyz", get(ready))
        .with_state(endpoints);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await
}

#[cfg(test)]
mod tests {
    use super::{Pulse, Role, StatusCode, live};
    use std::time::Duration;

    #[test]
    fn a_loop_that_hangs_is_not_alive() {
        let pulses = [(Role::Decider, Pulse::default())];
        assert_eq!(live(&pulses, Duration::from_secs(60)).0, StatusCode::OK);
        let (status, text) = live(&pulses, Duration::ZERO);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(text.contains("decider"), "{text}");
    }
}
