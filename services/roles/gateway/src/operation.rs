//! How far what a command asked for is.

use crate::convert;
use crate::convert::parse;
use crate::identity::{AccessRole, Identity};
use crate::rejected::Rejected;
use crate::service::Gateway;
use oi_domain::{Scope, State, describe, jobs_in};
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

/// What is owed there, of what somebody sees now: it may have become another's.
fn shown(state: &State, who: &Identity, scopes: &BTreeSet<Scope>) -> Vec<v1::Job> {
    let owed = scopes.iter().flat_map(|scope| jobs_in(state, scope));
    let jobs = owed.map(|job| convert::job::job(state, &job));
    jobs.filter(|job| who.sees(state, &job.cluster)).collect()
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
            let jobs = self.view.read(|s| shown(s, who, &scopes));
            let moved = tokio::time::timeout_at(deadline, positions.changed());
            if jobs.is_empty() || moved.await.is_err() {
                let (command_id, done) = (id.to_string(), jobs.is_empty());
                return Ok(v1::GetOperationResponse { command_id, position, done, jobs });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::identity::tests::state;
    use oi_events::{ClusterDeletionStartedV2, Generation, TenantSetV1};

    #[test]
    fn who_lost_a_cluster_is_not_told_what_it_owes() {
        let mut state = state(&[("blue", Some("acme"))]);
        let name: ClusterName = "blue".parse().unwrap();
        let generation = Generation(1);
        let started =
            ClusterDeletionStartedV2 { name: name.clone(), generation, forget_orphans: false };
        oi_domain::evolve(&mut state, &started.into());
        let scopes = BTreeSet::from([Scope::Cluster(name.clone()), Scope::Hypervisors]);
        let shown = |state: &State, tenant: &str| {
            let tenant = format!("oi:tenant:{tenant}");
            let who = Identity::named("alice", ["oi:viewer", &tenant].into_iter()).unwrap();
            super::shown(state, &who, &scopes).len()
        };
        assert_eq!((shown(&state, "acme"), shown(&state, "other")), (1, 0));
        let given = TenantSetV1 { cluster: name, tenant: Some("other".parse().unwrap()) };
        oi_domain::evolve(&mut state, &given.into());
        assert_eq!((shown(&state, "acme"), shown(&state, "other")), (0, 1));
    }
}
