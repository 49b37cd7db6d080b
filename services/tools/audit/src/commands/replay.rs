//! `oi-audit replay`.

use super::{Context, redecide};
use crate::error::Failure;
use crate::flags::Replay;
use oi_audit::{Moment, documents, replay as fold_log};
use oi_events::ClusterName;
use oi_inspect::render;
use oi_proto::{manifest, v1};
use serde_json::json;

pub async fn replay(c: &mut Context, flags: Replay) -> Result<bool, Failure> {
    if flags.check {
        return check(c, &flags.server).await;
    }
    if let Some(other) = &flags.with {
        return redecide::compare(c, other, flags.to).await;
    }
    let mut state = fold_log(&c.source, flags.to, c.progress()).await?;
    c.done();
    let unknown = |name: &str| Failure::Unknown(format!("cluster {name}"));
    let only: Option<ClusterName> = match &flags.cluster {
        None => None,
        Some(name) => Some(name.parse().map_err(|_| unknown(name))?),
    };
    if let Some(name) = &only
        && !state.clusters.contains_key(name)
    {
        return Err(unknown(name.as_str()));
    }
    if flags.documents {
        let text = manifest::write(&documents(&state, only.as_ref()))?;
        c.results.text(&text)?;
        return Ok(true);
    }
    let hash = state.hash().map_err(Failure::Hash)?;
    if let Some(only) = &only {
        state.clusters.retain(|name, _| name == only);
    }
    if flags.state {
        let mut shown = render(&state)?;
        if only.is_some()
            && let Some(fields) = shown.as_object_mut()
        {
            fields.remove("hypervisors");
        }
        c.results.whole(&shown)?;
        return Ok(true);
    }
    let nodes: usize = state.clusters.values().map(|c| c.nodes.len()).sum();
    c.results.one(json!({
        "position": state.position, "stateHash": hash.to_string(),
        "head": state.head.to_string(), "hypervisors": state.hypervisors.len(),
        "clusters": state.clusters.len(), "nodes": nodes,
        "owedJobs": oi_domain::owed(&state).len(),
    }))?;
    Ok(true)
}

/// Compares a replay with what a server holds at one and the same position.
async fn check(c: &mut Context, server: &str) -> Result<bool, Failure> {
    let failed =
        |e: Box<dyn std::error::Error + Send + Sync>| Failure::Server(server.to_owned(), e);
    let mut client =
        v1::oi_client::OiClient::connect(server.to_owned()).await.map_err(|e| failed(e.into()))?;
    let status = client.get_status(v1::GetStatusRequest {}).await.map_err(|e| failed(e.into()))?;
    let live = status.into_inner();
    let to = Some(Moment::Position(live.position));
    let state = fold_log(&c.source, to, c.progress()).await?;
    c.done();
    let hash = state.hash().map_err(Failure::Hash)?.to_string();
    let head = state.head.to_string();
    let same = hash == live.state_hash && head == live.head;
    c.results.one(json!({
        "verdict": if same { "equal" } else { "different" }, "position": live.position,
        "replayed": hash, "live": live.state_hash,
    }))?;
    Ok(same)
}
