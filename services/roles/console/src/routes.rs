//! What the page asks for, as JSON; new events as a stream of server-sent events.

use crate::history::{History, HistoryError};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::stream::{self, Stream, StreamExt};
use oi_domain::{Scope, jobs_in};
use oi_events::{CodecError, JobId, RecordedCommit, chain};
use oi_inspect::{
    Entry, RenderError, Side, changes, entries, render, rfc3339, timeline_step, unified,
};
use oi_journal::{Follower, ReadError};
use oi_view::{View, ViewError};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use tokio_util::sync::CancellationToken;

/// As many events as one answer has at most.
const PAGE: usize = 500;

/// A question that cannot be answered.
struct Rejected(StatusCode, String);

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

impl From<HistoryError> for Rejected {
    fn from(error: HistoryError) -> Rejected {
        let status = match error {
            HistoryError::Beyond { .. } => StatusCode::NOT_FOUND,
            HistoryError::Read(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Rejected(status, chain(&error))
    }
}

impl From<ReadError> for Rejected {
    fn from(error: ReadError) -> Rejected {
        HistoryError::from(error).into()
    }
}

impl From<RenderError> for Rejected {
    fn from(error: RenderError) -> Rejected {
        Rejected(StatusCode::INTERNAL_SERVER_ERROR, chain(&error))
    }
}

impl From<CodecError> for Rejected {
    fn from(error: CodecError) -> Rejected {
        Rejected(StatusCode::INTERNAL_SERVER_ERROR, chain(&error))
    }
}

type Answer = Result<Json<Value>, Rejected>;

#[derive(Deserialize)]
struct At {
    at: Option<u64>,
}

/// The state at a position, the present one where none is named, with how many nodes of
/// each cluster are ready, and the jobs that it owes.
async fn state(State(history): State<History>, Query(q): Query<At>) -> Answer {
    let at = q.at.unwrap_or_else(|| history.view().position());
    let state = history.at(at).await?;
    let failure = |id: &JobId| state.failures.get(id).map(|t| (t.attempts, t.message.clone()));
    let jobs: Vec<_> = Scope::all(&state)
        .flat_map(|scope| jobs_in(&state, &scope))
        .map(|job| {
            let (failures, message) = failure(&job.id).unwrap_or_default();
            json!({
                "id": job.id.to_string(), "kind": job.kind.token(),
                "hypervisor": job.hypervisor.map(|h| h.to_string()),
                "cluster": job.cluster.map(|c| c.to_string()),
                "failures": failures, "message": message,
            })
        })
        .collect();
    let ready = state.clusters.iter().map(|(name, cluster)| {
        let nodes = cluster.nodes.values().filter(|node| node.is_ready());
        (name.to_string(), json!(nodes.count()))
    });
    let ready: serde_json::Map<_, _> = ready.collect();
    Ok(Json(json!({
        "position": state.position, "end": history.view().position(),
        "time": rfc3339(state.time_ms), "hash": state.hash()?.to_string(),
        "state": render(&state)?, "ready": ready, "jobs": jobs,
    })))
}

#[derive(Deserialize)]
struct Between {
    a: u64,
    b: u64,
    cluster: Option<String>,
}

/// What differs between two positions.
async fn diff(State(history): State<History>, Query(q): Query<Between>) -> Answer {
    let only = q.cluster.as_deref();
    let before = Side::of(&history.at(q.a).await?, only)?;
    let after = Side::of(&history.at(q.b).await?, only)?;
    let text = unified((&before.title, &before.yaml()?), (&after.title, &after.yaml()?), false);
    Ok(Json(json!({"changes": changes(&before.value, &after.value), "text": text})))
}

#[derive(Deserialize)]
struct Range {
    from: Option<u64>,
    to: Option<u64>,
    cluster: Option<String>,
}

fn wanted(recorded: &RecordedCommit, cluster: Option<&String>) -> Vec<Entry> {
    let mut all = entries(recorded);
    all.retain(|e| cluster.is_none_or(|c| *c == e.cluster));
    all
}

/// The events between two positions, the last ones where there are too many.
async fn events(State(history): State<History>, Query(q): Query<Range>) -> Answer {
    let end = history.view().position();
    let to = q.to.unwrap_or(end).min(end);
    let from = q.from.unwrap_or_else(|| to.saturating_sub(PAGE as u64)).max(1);
    let mut replay = history.log().replay(from, to).await?;
    let mut found = Vec::new();
    while let Some(recorded) = replay.next().await? {
        found.extend(wanted(&recorded, q.cluster.as_ref()));
    }
    let events = found.split_off(found.len().saturating_sub(PAGE));
    Ok(Json(json!({"events": events})))
}

#[derive(Deserialize)]
struct Of {
    cluster: String,
}

/// What happened to a cluster, with the length of its jobs.
async fn timeline(State(history): State<History>, Query(q): Query<Of>) -> Answer {
    let end = history.view().position();
    let mut replay = history.log().replay(1, end).await?;
    let mut found = Vec::new();
    while let Some(recorded) = replay.next().await? {
        found.extend(timeline_step(&recorded, &q.cluster));
    }
    found.sort_by_key(|step| (step.start_ms, step.position));
    Ok(Json(json!({"steps": found})))
}

/// Why no more events come.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    View(#[from] ViewError),
    #[error("an event has no form in JSON")]
    Json(#[from] axum::Error),
}

/// The next commit. What it tells is there when it is asked for.
async fn next(follower: &mut Follower, view: &View) -> Result<Event, WatchError> {
    let recorded = follower.next().await.map_err(ViewError::from)?;
    view.wait_for(recorded.position).await?;
    Ok(Event::default().json_data(entries(&recorded))?)
}

/// New events as they happen. The page asks again where they end.
async fn watch(
    history: History,
    stop: CancellationToken,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let view = history.view().clone();
    let follower = history.log().follow(view.position() + 1);
    let events = stream::unfold((follower, view), |(mut follower, view)| async move {
        match next(&mut follower, &view).await {
            Ok(event) => Some((Ok(event), (follower, view))),
            Err(error) => {
                tracing::warn!(error = chain(&error), "no more events for a page");
                None
            }
        }
    });
    let events = events.take_until(stop.cancelled_owned());
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// All that the page asks for.
pub fn routes(stop: CancellationToken) -> Router<History> {
    let watch = move |State(history): State<History>| watch(history, stop.clone());
    Router::new()
        .route("/api/state", get(state))
        .route("/api/diff", get(diff))
        .route("/api/events", get(events))
        .route("/api/timeline", get(timeline))
        .route("/api/watch", get(watch))
}
