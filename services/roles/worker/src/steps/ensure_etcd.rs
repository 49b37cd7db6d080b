//! The node's etcd member runs, is healthy, and votes.

use super::{StepError, Steps};
use crate::desired::{FileOp, PodSpec, control_plane, etcd, names};
use crate::place::{GRACE, NodeSession, StartKind};
use oi_events::{Job, PortUse, chain};
use std::time::{Duration, Instant};

const HEALTHY: Duration = Duration::from_secs(30);
/// After how long a member that is not healthy is looked at again.
const LOOK: Duration = Duration::from_secs(5);

impl Steps {
    pub(super) async fn ensure_etcd(&self, job: &Job) -> Result<(), StepError> {
        let session = self.session(job).await?;
        let turn = self.turn(&session, StartKind::Etcd).await?;
        turn.within(self.make_member(job, &session)).await
    }

    async fn make_member(&self, job: &Job, session: &NodeSession) -> Result<(), StepError> {
        let (ctx, place) = (&session.ctx, &session.place);
        let joining = self.join(job, ctx).await?;
        let (pod, files) = etcd::pod(ctx, &session.secrets(), &joining)?;
        if place.is_outdated(&pod, &pod.containers[0]).await? {
            // Not where a later generation was here already: the API server is its own.
            session.put(&[]).await?;
            self.stop_api_server(session).await?;
        }
        self.start_healthy(session, &pod, &files).await?;
        // Not before: where a later restore has begun meanwhile, this member does not start.
        if ctx.cluster.restore.is_none() {
            // A new member had none to abort.
            if ctx.node.joined {
                let aborted = names::pod_labels(ctx.cluster.uid, &ctx.name, etcd::RESTORE);
                place.end_pods_until(&aborted, ctx.node.generation, Duration::ZERO).await?;
            }
            session.put(&etcd::without_restores(ctx)).await?;
        }
        self.promote(ctx).await
    }

    async fn start_healthy(
        &self,
        session: &NodeSession,
        pod: &PodSpec,
        files: &[FileOp],
    ) -> Result<(), StepError> {
        let end = Instant::now() + HEALTHY;
        loop {
            // A stop that was taken back may still have told it to end.
            session.place.start(pod, files).await?;
            match self.wait_for_health(session, LOOK).await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() >= end => return Err(error),
                Err(error) => tracing::debug!(pod = pod.name, error = chain(&error), "not healthy"),
            }
        }
    }

    async fn wait_for_health(
        &self,
        session: &NodeSession,
        limit: Duration,
    ) -> Result<(), StepError> {
        let address = session.ctx.address(PortUse::EtcdClient)?;
        let pki = etcd::pki_dir(&session.ctx);
        let ca = format!("{pki}/ca.crt");
        let client =
            (format!("{pki}/healthcheck-client.crt"), format!("{pki}/healthcheck-client.key"));
        session.place.probe(address, "/health", &ca, Some(&client), limit).await?;
        Ok(())
    }

    /// Stops the API server beside a member that is about to be replaced. It is of no use
    /// meanwhile, and its watches would keep the member from a clean shutdown, in which it hands
    /// over the leadership. The next job starts it again.
    async fn stop_api_server(&self, session: &NodeSession) -> Result<(), StepError> {
        let ctx = &session.ctx;
        let pod = names::pod_labels(ctx.cluster.uid, &ctx.name, control_plane::POD);
        for container in session.place.containers(&pod).await? {
            if container.name != control_plane::API_SERVER {
                continue;
            }
            if container.runs {
                self.drain(ctx).await;
            }
            session.place.remove_container(&container, ctx.node.generation, GRACE).await?;
        }
        Ok(())
    }

    /// Starts the member. Returns whether it started just now.
    pub async fn start_etcd(
        &self,
        session: &NodeSession,
        joining: &etcd::Joining,
    ) -> Result<bool, StepError> {
        let (pod, files) = etcd::pod(&session.ctx, &session.secrets(), joining)?;
        Ok(session.place.start(&pod, &files).await?)
    }
}
