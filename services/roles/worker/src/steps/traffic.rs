//! Telling ingresses that an API server is about to be replaced: no new connection goes
//! there, and those that are open can end.

use super::{StepError, Steps};
use crate::pods::{Target, ingress};
use oi_domain::Node;
use oi_events::{Component, NodeName};

/// What an API server is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Nothing new.
    Drain,
    /// As its health checks say.
    Ready,
}

impl Steps {
    /// Tells all ingresses. Where one does not hear it, its health checks have to do:
    /// an ingress that is away must not be in the way of a control plane.
    pub(super) async fn set_traffic(&self, target: &Target, traffic: Traffic) {
        let serves = |name: &NodeName, n: &Node| {
            *name != target.name && n.components.contains(&Component::ApiServer) && n.is_ready()
        };
        // Of one API server alone, nothing can be kept away.
        if !target.cluster.nodes.iter().any(|(name, n)| serves(name, n)) {
            return;
        }
        let ingresses = target.cluster.ingresses();
        let told =
            ingresses.into_iter().filter(|(_, n)| n.is_ready()).map(|(name, _)| async move {
                if let Err(error) = self.tell(target, name, traffic).await {
                    tracing::warn!(ingress = %name, %error, ?traffic, "ingress not told");
                }
            });
        futures::future::join_all(told).await;
    }

    async fn tell(
        &self,
        target: &Target,
        ingress: &NodeName,
        traffic: Traffic,
    ) -> Result<(), StepError> {
        let found = self.view.read(|s| Target::find(s, &target.cluster_name, ingress));
        let Some(there) = found else { return Ok(()) };
        let state = match traffic {
            Traffic::Drain => "drain",
            Traffic::Ready => "ready",
        };
        let command = format!("@1 set server {}/{} state {state}", ingress::BACKEND, target.name);
        let helper = self.hypervisors.helper(&there.hypervisor).await?;
        let said = helper.console(&ingress::console(&there), &command).await?;
        // haproxy says nothing where it did as it was told.
        if said.trim().is_empty() { Ok(()) } else { Err(StepError::Ingress(said)) }
    }
}
