//! What a cluster has before a reconciliation.

use super::{LAYOUT, RECORD};
use crate::addons::object::{KINDS, Kind, is_ours, title};
use crate::addons::{ClusterApi, LEFT, Object, PAGE, Pages};
use crate::place::{KubeError, Request, items};
use crate::steps::StepError;
use oi_events::{Generation, parsed};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a cluster has.
pub struct Observed {
    /// The number of Nodes.
    pub worker_nodes: u64,
    /// The paths of Nodes whose machines have left.
    pub left_nodes: Vec<String>,
    /// Add-ons, by kind: what runs comes before what it uses. Only those that are wanted have
    /// contents, once [`Observed::read_contents`] has read them.
    pub objects: Vec<Value>,
    /// Their places in `objects`, by title.
    by_title: BTreeMap<String, usize>,
    /// What was applied last: its generation and layout.
    record: Option<(u64, String)>,
}

impl Observed {
    /// Reads it from the API.
    pub async fn read(api: &ClusterApi) -> Result<Observed, StepError> {
        let requests = vec![
            Request::get("/api/v1/nodes?limit=1"),
            Request::get(format!("/api/v1/namespaces/kube-system/configmaps/{RECORD}")),
        ];
        // A machine may write into its own Node, and anybody may make objects with the label, of
        // any size: what is asked for is in their metadata.
        let left = format!("/api/v1/nodes?labelSelector={}", LEFT.replace('/', "%2F"));
        let all = std::iter::once(left).chain(KINDS.iter().map(Kind::labelled));
        let pages = all.map(|path| Pages::of_metadata(path, PAGE)).collect();
        let (replies, lists) = api.read(requests, pages).await?;
        let ([nodes, record], [left, lists @ ..]) = (replies.as_slice(), lists.as_slice()) else {
            return Err(StepError::NoAnswer);
        };
        let mut objects = Vec::new();
        for (items, kind) in lists.iter().zip(&KINDS) {
            objects.extend(items.iter().map(|item| kind.object(item.clone())).filter(is_ours));
        }
        let by_title = objects.iter().enumerate().map(|(n, o)| (title(o), n)).collect();
        let record = if record.status == 404 { None } else { recorded(&record.object()?) };
        let (worker_nodes, left_nodes) = (count(&nodes.object()?)?, paths(left));
        Ok(Observed { worker_nodes, left_nodes, objects, by_title, record })
    }

    /// Reads the contents of those that are wanted.
    pub async fn read_contents(
        &mut self,
        api: &ClusterApi,
        wanted: &[Object],
    ) -> Result<(), StepError> {
        let there =
            wanted.iter().filter_map(|o| Some((*self.by_title.get(&o.title())?, o.path()?)));
        let there: Vec<(usize, String)> = there.collect();
        let requests = there.iter().map(|(_, path)| Request::get(path)).collect();
        for (reply, (place, _)) in api.call(requests).await?.iter().zip(&there) {
            // It may be gone by now.
            if reply.status != 404 {
                self.objects[*place] = reply.object()?;
            }
        }
        Ok(())
    }

    /// Whether an add-on is there.
    pub fn has(&self, title: &str) -> bool {
        self.by_title.contains_key(title)
    }

    /// An add-on that is there.
    pub fn get(&self, title: &str) -> Option<&Value> {
        self.objects.get(*self.by_title.get(title)?)
    }

    /// The generation of a decision that was applied and is newer than one; none where the record
    /// says nothing of that kind.
    pub fn newer_than(&self, generation: Generation) -> Option<u64> {
        self.record.as_ref().map(|(recorded, _)| *recorded).filter(|r| *r > generation.0)
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

fn paths(nodes: &[Value]) -> Vec<String> {
    let names = nodes.iter().filter_map(|node| node["metadata"]["name"].as_str());
    names.map(|name| format!("/api/v1/nodes/{name}")).collect()
}
