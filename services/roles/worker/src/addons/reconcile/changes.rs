//! The changes of a reconciliation.

use super::observed::Observed;
use super::title;
use crate::addons::api::accepted;
use crate::addons::object::{delete, is_ours, is_same};
use crate::addons::{ClusterApi, Object};
use crate::place::Request;
use crate::steps::StepError;
use serde_json::Value;
use std::collections::BTreeSet;

/// What an API server creates at its start under the name of an add-on.
const TAKEN_OVER: [&str; 2] = ["Endpoints default/kubernetes", "EndpointSlice default/kubernetes"];

/// Objects under the names of add-ons that somebody else owns. They are left alone.
pub async fn foreign(
    api: &ClusterApi,
    wanted: &[Object],
    observed: &Observed,
) -> Result<BTreeSet<String>, StepError> {
    let is_unknown = |o: &&Object| {
        let title = o.title();
        !observed.has(&title) && !TAKEN_OVER.contains(&title.as_str())
    };
    let unknown: Vec<&Object> = wanted.iter().filter(is_unknown).collect();
    let requests = unknown.iter().filter_map(|o| o.path()).map(Request::get).collect();
    let mut foreign = BTreeSet::new();
    for (reply, object) in api.call(requests).await?.iter().zip(unknown) {
        if reply.status != 404 && !is_ours(&reply.object()?) {
            foreign.insert(object.title());
        }
    }
    Ok(foreign)
}

/// Deletes add-ons that are not wanted any more. Returns their titles.
pub async fn delete_unwanted(
    api: &ClusterApi,
    wanted: &[Object],
    observed: &Observed,
) -> Result<Vec<String>, StepError> {
    let wanted: BTreeSet<String> = wanted.iter().map(Object::title).collect();
    let is_unwanted = |o: &&Value| !wanted.contains(&title(o));
    let unwanted: Vec<&Value> = observed.objects.iter().filter(is_unwanted).collect();
    let requests = unwanted.iter().filter_map(|o| delete(o)).collect();
    let mut deleted = Vec::new();
    for (reply, object) in api.call(requests).await?.iter().zip(&unwanted) {
        // It is gone already, or another object has its name.
        if !matches!(reply.status, 404 | 409) {
            reply.object()?;
            deleted.push(title(object));
        }
    }
    Ok(deleted)
}

/// Applies all objects. Returns the titles of those that were otherwise. Fields of others, such
/// as a status, are no change.
pub async fn apply(
    api: &ClusterApi,
    wanted: &[Object],
    observed: &Observed,
) -> Result<Vec<String>, StepError> {
    let replies = api.call(wanted.iter().filter_map(Object::apply).collect()).await?;
    let mut changed = Vec::new();
    for (reply, object) in replies.iter().zip(wanted) {
        accepted(object, reply)?;
        let title = object.title();
        let now = reply.object()?;
        let same =
            |is: &Value| version(is) == version(&now) || is_same(&object.0, Some(is), Some(&now));
        if !observed.get(&title).is_some_and(same) {
            changed.push(title);
        }
    }
    Ok(changed)
}

fn version(object: &Value) -> Option<&str> {
    object["metadata"]["resourceVersion"].as_str()
}
