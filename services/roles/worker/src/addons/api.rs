//! The API of a cluster, as its add-ons need it. Requests go through the hypervisor of an API
//! server: a worker need not reach API servers itself.

use super::cluster_context::ca_bundle;
use super::object::Object;
use super::pages::{Page, Pages};
use crate::place::{ApiIdentity, ApiServer, KubeError, Place, Reply, Request, Verb};
use crate::steps::{StepError, Steps};
use oi_clock::{millis, now_ms};
use oi_domain::{Cluster, Hypervisor, Node};
use oi_events::{Component, NodeName, PortUse};
use oi_keyring::Keyring;
use oi_pki::{DataKey, LeafProfile, certificate_pem, private_key_pem};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The user that oi is in clusters; their audit logs name it.
const USER: &str = "oi:addon-reconciler";
const CREDENTIAL_LIFE_MS: u64 = 3600 * 1000;
const LIMIT: Duration = Duration::from_secs(30);
/// How long one watch lasts, and how much longer its answer may take.
const WATCH: Duration = Duration::from_secs(50);
const WATCH_SLACK: Duration = Duration::from_secs(10);
/// The number of objects in one answer: a Node has some 10 KiB.
pub const PAGE: usize = 200;
/// The label of Nodes whose machines have left.
pub const LEFT: &str = "oi/left";
/// The number of requests that are sent at a time: more do not fit into a command.
const BATCH: usize = 200;

/// A way to a cluster's API.
#[derive(Clone)]
pub struct ClusterApi {
    place: Place,
    server: ApiServer,
}

impl ClusterApi {
    /// Sends requests; the replies come in the same order.
    pub async fn call(&self, requests: Vec<Request>) -> Result<Vec<Reply>, StepError> {
        let (mut replies, mut rest) = (Vec::new(), requests);
        while !rest.is_empty() {
            let later = rest.split_off(rest.len().min(BATCH));
            replies.extend(self.place.kube(&self.server, rest).await?);
            rest = later;
        }
        Ok(replies)
    }

    /// Gets an object or a list.
    pub async fn get(&self, path: &str) -> Result<Value, StepError> {
        Ok(only(self.call(vec![Request::get(path)]).await?)?.object()?)
    }

    /// Deletes objects, some of which may be gone already.
    pub async fn delete(&self, paths: Vec<String>) -> Result<(), StepError> {
        let delete = |path| Request { verb: Verb::Delete, path, body: Vec::new() };
        for reply in self.call(paths.into_iter().map(delete).collect()).await? {
            if reply.status != 404 {
                reply.object()?;
            }
        }
        Ok(())
    }

    /// Sends requests, and reads whole lists. The first pages come in one answer with the rest.
    pub async fn read(
        &self,
        mut requests: Vec<Request>,
        mut lists: Vec<Pages>,
    ) -> Result<(Vec<Reply>, Vec<Vec<Value>>), StepError> {
        let singles = requests.len();
        requests.extend(lists.iter().filter_map(Pages::request));
        let mut replies = self.call(requests).await?;
        if replies.len() != singles + lists.len() {
            return Err(StepError::NoAnswer);
        }
        let mut all = Vec::new();
        for (pages, first) in lists.iter_mut().zip(replies.split_off(singles)) {
            let mut items = pages.take(&first)?.map(|page| page.items).unwrap_or_default();
            while let Some(page) = self.page(pages).await? {
                items.extend(page.items);
            }
            all.push(items);
        }
        Ok((replies, all))
    }

    /// The next page of a list; none after the last one.
    pub async fn page(&self, pages: &mut Pages) -> Result<Option<Page>, StepError> {
        while let Some(request) = pages.request() {
            let reply = only(self.call(vec![request]).await?)?;
            if let Some(page) = pages.take(&reply)? {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    /// All Nodes of the cluster: names, whether their machines have left, and addresses.
    pub async fn nodes(&self) -> Result<Vec<Value>, StepError> {
        let pages = Pages::new("/api/v1/nodes", PAGE, slim_node);
        let (_, lists) = self.read(Vec::new(), vec![pages]).await?;
        only(lists)
    }

    /// Waits until something in a list changes after a version, or for as long as one watch lasts.
    pub async fn wait_for_change(&self, path: &str, version: &str) -> Result<(), StepError> {
        let seconds = WATCH.as_secs();
        let path = format!("{path}&watch=1&resourceVersion={version}&timeoutSeconds={seconds}");
        let watch = Request { verb: Verb::First, path, body: Vec::new() };
        let reply = only(self.with_limit(WATCH + WATCH_SLACK).call(vec![watch]).await?)?;
        if !reply.is_success() {
            // An error with the API's own message.
            reply.object()?;
        }
        Ok(())
    }

    fn with_limit(&self, limit: Duration) -> ClusterApi {
        let server = ApiServer { limit_ms: millis(limit), ..self.server.clone() };
        ClusterApi { place: self.place.clone(), server }
    }
}

/// A machine may write much into its own Node.
fn slim_node(node: Value) -> Option<Value> {
    let metadata = &node["metadata"];
    let mut kept = json!({
        "metadata": {
            "name": metadata["name"], "creationTimestamp": metadata["creationTimestamp"],
            "labels": {},
        },
        "spec": {"podCIDRs": node["spec"]["podCIDRs"]},
        "status": {"addresses": node["status"]["addresses"]},
    });
    if let Some(left) = metadata["labels"].get(LEFT) {
        kept["metadata"]["labels"][LEFT] = left.clone();
    }
    Some(kept)
}

/// Whether an object that was applied was taken.
///
/// # Errors
/// Why not, in the API's words.
pub fn accepted(object: &Object, reply: &Reply) -> Result<(), StepError> {
    if reply.is_success() {
        return Ok(());
    }
    let (status, message) = (reply.status, reply.message());
    Err(StepError::Object { title: object.title(), status, message })
}

/// What a single request was answered with, or a single list holds.
pub fn only<T>(answers: Vec<T>) -> Result<T, StepError> {
    answers.into_iter().next().ok_or(StepError::NoAnswer)
}

impl Steps {
    /// A way to a cluster's API: the first API server that answers.
    pub async fn api(&self, cluster: &Cluster) -> Result<ClusterApi, StepError> {
        let key = self.keyring.key(cluster.uid).await?;
        let mut last = StepError::NoAnswer;
        for (hypervisor, address) in self.api_servers(cluster) {
            let api = api_at(self.places.at(&hypervisor), address, cluster, &key)?;
            match api.get("/readyz?verbose=false").await {
                // The answer is a word, not an object.
                Ok(_) | Err(StepError::Kube(KubeError::Json(_))) => return Ok(api),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The cluster's API servers with their hypervisors, ready ones first.
    fn api_servers(&self, cluster: &Cluster) -> Vec<(Arc<Hypervisor>, SocketAddr)> {
        let mut carriers = cluster.carriers(Component::ApiServer);
        carriers.sort_by_key(|(_, n)| !n.is_ready());
        let address = |(_, n): (&NodeName, &Node)| {
            let h = self.view.read(|s| s.hypervisors.get(&n.hypervisor).cloned());
            let h = h.filter(|h| !h.is_away())?;
            let port = n.ports.get(&PortUse::ApiServer)?;
            let address = SocketAddr::new(h.spec.address, *port);
            Some((h, address))
        };
        carriers.into_iter().filter_map(address).collect()
    }
}

/// A way to one API server.
pub fn api_at(
    place: Place,
    address: SocketAddr,
    cluster: &Cluster,
    key: &DataKey,
) -> Result<ClusterApi, StepError> {
    let server = ApiServer {
        address: address.to_string(),
        authorities: ca_bundle(cluster),
        identity: identity(cluster, key)?,
        limit_ms: millis(LIMIT),
    };
    Ok(ClusterApi { place, server })
}

/// A client certificate for an hour. It is made here and stored nowhere.
fn identity(cluster: &Cluster, key: &DataKey) -> Result<ApiIdentity, StepError> {
    let ca = cluster.signs_users().ok_or(StepError::NoCa)?;
    let ca_key = Keyring::open(key, cluster.uid, ca)?;
    let profile = LeafProfile::client(USER, &["system:masters"]);
    let made = oi_pki::issue(&ca.public, &ca_key, &profile, now_ms(), CREDENTIAL_LIFE_MS)?;
    Ok(ApiIdentity::Certificate {
        certificate: certificate_pem(&made.certificate),
        key: private_key_pem(&made.key).to_string(),
    })
}
