//! How far what a command asked for is.

use crate::convert;
use crate::convert::parse;
use crate::identity::{AccessRole, Identity};
use crate::rejected::Rejected;
use crate::service::Gateway;
use oi_domain::{Scope, describe, jobs_in};
use oi_events::Code;
use oi_events::{ClusterName, CommandId};
use oi_proto::v1;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Nobody waits longer in one call.
const LONGEST: Duration = Duration::from_secs(60);

/// Of a name that no cluster has.
pub fn unknown(name: &ClusterName) -> Rejected {
    Rejected::new(Code::NotFound, format!("cluster {name} is not known"))
}

/// Of a cluster that nobody can reach.
pub fn no_ingress(name: &ClusterName) -> Rejected {
    Rejected::new(
        Code::NoIngress,
        format!(
            "cluster {name} has no ingress, so there is no way to its API: add a node of role controlplane-ingress"
        ),
    )
}

impl Gateway {
    /// What a command set going, at the latest when the wait is over.
    pub(crate) async fn operation(
        &self,
        request: v1::GetOperationRequest,
        who: &Identity,
    ) -> Result<v1::GetOperationResponse, Rejected> {
        let id: CommandId = parse("command_id", &request.command_id)?;
        let position = self.view.read(|s| s.processed.position(&id)).ok_or_else(|| {
            Rejected::new(
                Code::NotFound,
                format!("command {id} changed nothing, is not decided, or is no longer remembered"),
            )
        })?;
        let recorded = self.handles.log.commit_at(position).await;
        let recorded = recorded.map_err(|e| Rejected::unavailable(&e))?;
        let events = || recorded.iter().flat_map(|r| &r.commit.events);
        for event in events() {
            let cluster = describe(event).cluster.map(|c| c.to_string()).unwrap_or_default();
            if !self.view.read(|s| who.saw(s, &cluster, position)) {
                who.needs_all(AccessRole::Viewer)?;
            }
        }
        let scopes: BTreeSet<Scope> = events().map(Scope::of).collect();
        let deadline = Instant::now() + Duration::from_millis(request.wait_ms).min(LONGEST);
        let mut positions = self.view.positions();
        loop {
            let jobs: Vec<v1::Job> = self.view.read(|s| {
                let jobs = scopes.iter().flat_map(|scope| jobs_in(s, scope));
                jobs.map(|job| convert::job::job(s, &job)).collect()
            });
            let moved = tokio::time::timeout_at(deadline, positions.changed());
            if jobs.is_empty() || moved.await.is_err() {
                let (command_id, done) = (id.to_string(), jobs.is_empty());
                return Ok(v1::GetOperationResponse { command_id, position, done, jobs });
            }
        }
    }
}
