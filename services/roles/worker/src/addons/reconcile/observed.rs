//! What a cluster has before a reconciliation.

use super::{LAYOUT, RECORD};
use crate::addons::ClusterApi;
use crate::addons::object::{KINDS, is_ours, title};
use crate::place::{KubeError, Request, items};
use crate::steps::StepError;
use oi_events::{Generation, parsed};
use serde_json::Value;
use std::collections::BTreeMap;

/// The label of Nodes whose machines have left.
const LEFT: &str = "oi%2Fleft";

/// What a cluster has.
pub struct Observed {
    /// The number of Nodes.
    pub worker_nodes: u64,
    /// The paths of Nodes whose machines have left.
    pub left_nodes: Vec<String>,
    /// Add-ons, by kind: what runs comes before what it uses.
    pub objects: Vec<Value>,
    /// Their places in `objects`, by title.
    by_title: BTreeMap<String, usize>,
    /// What was applied last: its generation and layout.
    record: Option<(u64, String)>,
}

impl Observed {
    /// Reads it from the API.
    pub async fn read(api: &ClusterApi) -> Result<Observed, StepError> {
        let mut requests = vec![
            Request::get("/api/v1/nodes?limit=1"),
            Request::get(format!("/api/v1/nodes?labelSelector={LEFT}")),
            Request::get(format!("/api/v1/namespaces/kube-system/configmaps/{RECORD}")),
        ];
        requests.extend(KINDS.iter().map(|kind| kind.list()));
        let replies = api.call(requests).await?;
        let [nodes, left, record, lists @ ..] = replies.as_slice() else {
            return Err(StepError::NoAnswer);
        };
        let mut objects = Vec::new();
        for (reply, kind) in lists.iter().zip(&KINDS) {
            objects.extend(kind.items(&reply.object()?)?.into_iter().filter(is_ours));
        }
        let by_title = objects.iter().enumerate().map(|(n, o)| (title(o), n)).collect();
        let record = if record.status == 404 { None } else { recorded(&record.object()?) };
        let (worker_nodes, left_nodes) = (count(&nodes.object()?)?, paths(&left.object()?)?);
        Ok(Observed { worker_nodes, left_nodes, objects, by_title, record })
    }

    /// Whether an add-on is there.
    pub fn has(&self, title: &str) -> bool {
        self.by_title.contains_key(title)
    }

    /// An add-on that is there.
    pub fn get(&self, title: &str) -> Option<&Value> {
        self.objects.get(*self.by_title.get(title)?)
    }

    /// Whether a newer decision was applied: this worker's view lags behind.
    pub fn is_newer_than(&self, generation: Generation) -> bool {
        self.record.as_ref().is_some_and(|(recorded, _)| *recorded > generation.0)
    }

    /// Whether another release applied this decision.
    pub fn is_of_another_layout(&self, generation: Generation) -> bool {
        let other =
            |(recorded, layout): &(u64, String)| *recorded == generation.0 && layout != LAYOUT;
        self.record.as_ref().is_some_and(other)
    }
}

/// What a record says. One that somebody has damaged is written anew.
fn recorded(record: &Value) -> Option<(u64, String)> {
    let data = &record["data"];
    let generation = data["generation"].as_str().and_then(parsed);
    if generation.is_none() {
        tracing::warn!(%data, "the record of what was applied is damaged");
    }
    Some((generation?, data["layout"].as_str().unwrap_or_default().to_owned()))
}

/// The length of a list of which only the first item was asked for.
fn count(list: &Value) -> Result<u64, KubeError> {
    let more = list["metadata"]["remainingItemCount"].as_u64().unwrap_or(0);
    Ok(items(list)?.len() as u64 + more)
}

fn paths(nodes: &Value) -> Result<Vec<String>, KubeError> {
    let names = items(nodes)?.iter().filter_map(|node| node["metadata"]["name"].as_str());
    Ok(names.map(|name| format!("/api/v1/nodes/{name}")).collect())
}
