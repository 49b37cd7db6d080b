//! What does not work in a cluster that has no tunnel. API servers are no nodes of their cluster:
//! without a tunnel they reach no Service, so a webhook or an aggregated API that names one never
//! answers, and no namespace can be deleted to its end. What names one becomes an observation.

use crate::addons::{ClusterContext, Lookup, Pages, RETRY};
use crate::reporter::Reporter;
use crate::steps::{StepError, Steps};
use oi_events::{ClusterName, ClusterUid, Observation, TUNNEL_NEEDED_OBJECTS, chain};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// The number of objects in a page, while they are not large.
const PAGE: usize = 100;

const WEBHOOKS: &str = "/apis/admissionregistration.k8s.io/v1";

/// The kinds of objects by which API servers are told to call others, and their lists.
fn kinds() -> [(&'static str, String); 3] {
    [
        ("APIService", "/apis/apiregistration.k8s.io/v1/apiservices".to_owned()),
        ("MutatingWebhookConfiguration", format!("{WEBHOOKS}/mutatingwebhookconfigurations")),
        ("ValidatingWebhookConfiguration", format!("{WEBHOOKS}/validatingwebhookconfigurations")),
    ]
}

/// Reports what needs a tunnel in clusters that have none.
pub struct TunnelNeed {
    steps: Steps,
    reporter: Reporter,
    every: Duration,
}

impl TunnelNeed {
    /// Looks at a cluster with this interval.
    pub fn new(steps: Steps, every: Duration) -> TunnelNeed {
        let reporter = steps.reporter.clone();
        TunnelNeed { steps, reporter, every }
    }

    /// Looks at a cluster until it is gone.
    pub async fn run(&self, name: &ClusterName, uid: ClusterUid) {
        loop {
            let pause = match self.steps.view.read(|s| ClusterContext::lookup(s, name, uid)) {
                Lookup::Gone => return,
                Lookup::Unavailable => RETRY,
                Lookup::Found(cluster) => {
                    if cluster.cluster.tunnel.is_none()
                        && let Err(error) = self.look(&cluster).await
                    {
                        tracing::warn!(cluster = %name, error = chain(&error), "not seen what needs a tunnel");
                    }
                    self.every
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn look(&self, cluster: &ClusterContext) -> Result<(), StepError> {
        let api = self.steps.api(&cluster.cluster).await?;
        let lists = kinds().map(|(_, path)| Pages::new(path, PAGE, caller));
        let (_, lists) = api.read(Vec::new(), lists.into()).await?;
        let mut objects = BTreeSet::new();
        for (names, (kind, _)) in lists.iter().zip(kinds()) {
            objects.extend(names.iter().filter_map(Value::as_str).map(|n| format!("{kind} {n}")));
        }
        let objects: Vec<String> = objects.into_iter().take(TUNNEL_NEEDED_OBJECTS).collect();
        if objects == cluster.cluster.needs_tunnel {
            return Ok(());
        }
        let cluster = cluster.name.clone();
        let observation = Observation::TunnelNeeded { cluster, objects };
        // Servers of an older release cannot read it.
        if self.steps.view.read(oi_domain::State::level) >= observation.level() {
            // What is not stored is seen again.
            self.reporter.observe(observation).await;
        }
        Ok(())
    }
}

/// The name of an object that names a Service for API servers to call.
fn caller(object: Value) -> Option<Value> {
    let hooks = object["webhooks"].as_array().into_iter().flatten();
    let mut configs = hooks.map(|hook| &hook["clientConfig"]).chain([&object["spec"]]);
    let calls = configs.any(|config| !config["service"].is_null());
    calls.then(|| object["metadata"]["name"].clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn an_aggregated_api_behind_a_service_needs_a_tunnel() {
        let list = [
            json!({"metadata": {"name": "v1."}, "spec": {"version": "v1"}}),
            json!({"metadata": {"name": "v1.apps"}, "spec": {"group": "apps", "service": null}}),
            json!({"metadata": {"name": "v1beta1.metrics.k8s.io"},
                   "spec": {"service": {"namespace": "kube-system", "name": "metrics-server"}}}),
        ];
        let found: Vec<Value> = list.into_iter().filter_map(caller).collect();
        assert_eq!(found, ["v1beta1.metrics.k8s.io"]);
    }

    #[test]
    fn a_webhook_behind_a_service_needs_a_tunnel_and_one_at_a_url_does_not() {
        let service = json!({"clientConfig": {"service": {"namespace": "a", "name": "b"}}});
        let url = json!({"clientConfig": {"url": "https://hooks.example.org"}});
        let list = [
            json!({"metadata": {"name": "elsewhere"}, "webhooks": [url]}),
            json!({"metadata": {"name": "policy"}, "webhooks": [url, service]}),
            json!({"metadata": {"name": "empty"}}),
        ];
        let found: Vec<Value> = list.into_iter().filter_map(caller).collect();
        assert_eq!(found, ["policy"]);
    }
}
