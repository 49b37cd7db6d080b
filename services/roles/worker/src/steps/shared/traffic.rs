//! Traffic to an API server that is about to be replaced: the ingresses send no new connections
//! there, and open ones can end.

use crate::desired::{NodeContext, ingress};
use crate::steps::{StepError, Steps};
use oi_domain::{ClusterPhase, Node};
use oi_events::{Component, NodeName};
use std::time::Duration;

/// How long an API server may take to answer requests in progress before it is replaced.
const DRAINED: Duration = Duration::from_secs(2);

/// What the ingresses send to an API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// No new connections.
    Drain,
    /// Connections, as its health checks allow.
    Ready,
}

impl Steps {
    /// Sends no new requests to the node's API server, and lets those in progress end.
    pub(in crate::steps) async fn drain(&self, ctx: &NodeContext) {
        self.set_traffic(ctx, Traffic::Drain).await;
        tokio::time::sleep(DRAINED).await;
    }

    /// Drains the API server, if any, of a node that goes. Nobody reads what a cluster that is
    /// being deleted could still write.
    pub(in crate::steps) async fn drain_for_removal(&self, ctx: &NodeContext) {
        let deleted = ctx.cluster.phase == ClusterPhase::Deleting;
        if !deleted && ctx.node.components.contains(&Component::ApiServer) {
            self.drain(ctx).await;
        }
    }

    /// Tells all ingresses. One that does not hear it relies on its health checks: an
    /// unreachable ingress must not block a control plane.
    pub(in crate::steps) async fn set_traffic(&self, ctx: &NodeContext, traffic: Traffic) {
        let serves = |name: &NodeName, n: &Node| {
            *name != ctx.name && n.components.contains(&Component::ApiServer) && n.is_ready()
        };
        // The only API server gets all connections.
        if !ctx.cluster.nodes.iter().any(|(name, n)| serves(name, n)) {
            return;
        }
        let ingresses = ctx.cluster.ingresses();
        let told =
            ingresses.into_iter().filter(|(_, n)| n.is_ready()).map(|(name, _)| async move {
                if let Err(error) = self.tell_ingress(ctx, name, traffic).await {
                    tracing::warn!(ingress = %name, %error, ?traffic, "ingress not told");
                }
            });
        futures::future::join_all(told).await;
    }

    async fn tell_ingress(
        &self,
        ctx: &NodeContext,
        ingress: &NodeName,
        traffic: Traffic,
    ) -> Result<(), StepError> {
        let found = self.view.read(|s| NodeContext::find(s, &ctx.cluster_name, ingress));
        let Some(there) = found else { return Ok(()) };
        let state = match traffic {
            Traffic::Drain => "drain",
            Traffic::Ready => "ready",
        };
        let command = format!("@1 set server {}/{} state {state}", ingress::BACKEND, ctx.name);
        let place = self.place_of(&there);
        let answer = place.console(&ingress::console(&there), &command).await?;
        // haproxy answers nothing when it did as told.
        if answer.trim().is_empty() { Ok(()) } else { Err(StepError::Ingress(answer)) }
    }
}
