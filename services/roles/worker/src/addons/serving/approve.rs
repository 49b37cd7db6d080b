//! Answers requests for serving certificates.

use super::judge::{Reserved, Verdict, judge};
use super::request::{PATH, SIGNER, decided, is_pending, is_plain};
use crate::addons::reconciler::RETRY;
use crate::addons::{ClusterApi, ClusterContext, Failures, Lookup, Pages, only};
use crate::desired::DesiredError;
use crate::place::{Request, Verb};
use crate::steps::{StepError, Steps};
use oi_domain::Node;
use oi_events::{ClusterName, ClusterUid, chain, parsed};
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The pause between two rounds. An API server that ends each watch at once would otherwise be
/// asked without end.
const PAUSE: Duration = Duration::from_millis(500);
/// The number of requests in a page, while they are not large.
const PAGE: usize = 100;

/// Approves and denies the requests of kubelets.
pub struct ServingCertificates {
    steps: Steps,
}

impl ServingCertificates {
    pub fn new(steps: Steps) -> ServingCertificates {
        ServingCertificates { steps }
    }

    /// Answers the requests of a cluster until it is gone. Notifies `joined` when it answers one:
    /// a node has joined.
    pub async fn run(&self, name: &ClusterName, uid: ClusterUid, joined: &Notify) {
        let mut failures = Failures::default();
        loop {
            let pause = match self.steps.view.read(|s| ClusterContext::lookup(s, name, uid)) {
                Lookup::Gone => return,
                Lookup::Unavailable => RETRY,
                Lookup::Found(cluster) => match self.round(&cluster, joined).await {
                    Ok(()) => {
                        failures.end();
                        PAUSE
                    }
                    Err(error) => {
                        failures.add(name, "requests for certificates not looked at", &error);
                        RETRY
                    }
                },
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Judges what is pending, then waits until there is more.
    async fn round(&self, cluster: &ClusterContext, joined: &Notify) -> Result<(), StepError> {
        let api = self.steps.api(&cluster.cluster).await?;
        let signer = SIGNER.replace('/', "%2F");
        let path = format!("{PATH}?fieldSelector=spec.signerName%3D{signer}");
        let mut pages = Pages::new(path.as_str(), PAGE, pending);
        let (mut nodes, mut version) = (None, String::new());
        while let Some(page) = api.page(&mut pages).await? {
            if !page.items.is_empty() {
                let nodes = match &mut nodes {
                    Some(nodes) => nodes,
                    unread => unread.insert(api.nodes().await?),
                };
                let reserved = self.reserved(cluster)?;
                if answer(&api, cluster, &reserved, nodes, &page.items).await? {
                    joined.notify_one();
                }
            }
            version = page.version;
        }
        api.wait_for_change(&path, &version).await
    }

    /// What no node may have a certificate for.
    fn reserved(&self, cluster: &ClusterContext) -> Result<Reserved, DesiredError> {
        let c = &cluster.cluster;
        let mut addresses: Vec<IpAddr> = self.steps.view.read(|s| {
            let of = |n: &Arc<Node>| s.hypervisors.get(&n.hypervisor).map(|h| h.spec.address);
            c.nodes.values().filter_map(of).collect()
        });
        let names = || c.spec.extra_sans.iter().chain(c.endpoint.iter().map(|e| &e.host));
        addresses.extend(names().filter_map(|name| parsed::<IpAddr>(name)));
        let no_range = |_| DesiredError::Cidr(c.spec.service_cidr.clone());
        Ok(Reserved {
            addresses,
            services: Some(c.spec.service_cidr.parse().map_err(no_range)?),
            names: names().cloned().collect(),
            domain: c.spec.dns_domain.clone(),
        })
    }
}

/// A request that is to be judged.
fn pending(request: Value) -> Option<Value> {
    (is_pending(&request) && is_plain(&request)).then_some(request)
}

/// Answers requests. Returns whether any was answered.
async fn answer(
    api: &ClusterApi,
    cluster: &ClusterContext,
    reserved: &Reserved,
    nodes: &[Value],
    pending: &[Value],
) -> Result<bool, StepError> {
    let mut answered = false;
    for request in pending {
        let verdict = judge(request, nodes, reserved);
        let title = request["metadata"]["name"].as_str().unwrap_or_default();
        let by = request["spec"]["username"].as_str().unwrap_or_default();
        let Some(object) = decided(request, &verdict) else {
            if let Verdict::Wait(why) = &verdict {
                tracing::debug!(cluster = %cluster.name, request = title, by, why, "waits");
            }
            continue;
        };
        let path = format!("{PATH}/{title}/approval");
        let reply = only(api.call(vec![Request::with(Verb::Put, path, &object)]).await?)?;
        match reply.object() {
            Ok(_) => {
                answered = true;
                tracing::info!(cluster = %cluster.name, request = title, by, ?verdict, "judged");
            }
            // Another worker may have been faster.
            Err(_) if reply.status == 409 => {}
            // The others are judged all the same.
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(cluster = %cluster.name, request = title, by, error, "not judged");
            }
        }
    }
    Ok(answered)
}
