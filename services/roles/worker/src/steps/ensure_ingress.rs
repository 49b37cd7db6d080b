//! haproxy runs, and the API answers through it. So does the hub of the cluster's tunnel.

use super::shared::haproxy::reload;
use super::{StepError, Steps};
use crate::desired::{NodeContext, ingress};
use crate::place::{NodeSession, StartKind};
use crate::tunnel::pods as tunnel;
use oi_events::{Component, Job, PortUse};
use std::time::{Duration, Instant};

const READY: Duration = Duration::from_secs(30);
/// How long an ingress waits for the first API server.
const FIRST_API_SERVER: Duration = Duration::from_secs(900);

impl Steps {
    pub(super) async fn ensure_ingress(&self, job: &Job) -> Result<(), StepError> {
        let session = self.session(job).await?;
        let turn = self.turn(&session, StartKind::Ingress).await?;
        turn.within(self.start_ingress(&session)).await?;
        let address = session.ctx.address(PortUse::ApiServer)?;
        let ca = format!("{}/ca.crt", ingress::dir(&session.ctx));
        let end = Instant::now() + FIRST_API_SERVER;
        loop {
            match session.place.probe(address, "/readyz", &ca, None, READY).await {
                Ok(_) => return Ok(()),
                // No API server is ready yet. Where many start at once, that may take a while,
                // and is not the ingress' fault.
                Err(error) if Instant::now() < end && !self.has_api_server(&session.ctx) => {
                    tracing::debug!(%error, "waiting for an API server");
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether the state knows of an API server of the cluster that is ready.
    fn has_api_server(&self, ctx: &NodeContext) -> bool {
        self.view.read(|s| {
            let cluster = s.clusters.get(&ctx.cluster_name);
            cluster
                .is_none_or(|c| c.carriers(Component::ApiServer).iter().any(|(_, n)| n.is_ready()))
        })
    }

    /// Starts haproxy, the shared port, and the hub. Returns whether one of them started just
    /// now. A change of haproxy's configuration is a reload.
    pub async fn start_ingress(&self, session: &NodeSession) -> Result<bool, StepError> {
        let (ctx, place) = (&session.ctx, &session.place);
        // Shared ports come first: one that is no longer shared may be this node's now.
        let shared = ctx.cluster.shared_port();
        let mut started = self.reconcile_shared_ports(&ctx.hypervisor, shared).await?;
        let (pod, files) = ingress::pod(ctx, &session.secrets())?;
        let new = place.start(&pod, &files).await?;
        started |= new;
        if !new {
            reload(place, &ingress::console(ctx), &ingress::mark(ctx)?).await?;
        }
        if let Some((pod, files)) = tunnel::hub(ctx, &session.secrets())? {
            started |= place.start(&pod, &files).await?;
        }
        Ok(started)
    }
}
