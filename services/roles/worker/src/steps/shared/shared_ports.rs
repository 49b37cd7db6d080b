//! The ports of a hypervisor that clusters share.

use super::haproxy::{info, reload};
use crate::desired::shared_port::{self, SharedPort};
use crate::desired::{FileOp, NodeContext, label};
use crate::place::{GRACE, Place};
use crate::steps::{StepError, Steps};
use oi_domain::Hypervisor;
use oi_events::{Role, chain, parsed};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long to wait until the view has what another worker has seen.
const CATCH_UP: Duration = Duration::from_secs(10);

impl Steps {
    /// Runs haproxy on each shared port, with the routes of the state, and on no other port.
    /// Returns whether one started.
    ///
    /// A port that fails is an error only for the caller that needs it: it must not keep other
    /// clusters from theirs.
    pub async fn reconcile_shared_ports(
        &self,
        h: &Arc<Hypervisor>,
        needed: Option<u16>,
    ) -> Result<bool, StepError> {
        let _held = self.port_locks.lock(h.spec.name.clone()).await;
        let place = self.places.at(h);
        let standing = standing_ports(&place).await?;
        let (mut position, mut ports) = self.shared_ports(h);
        if standing.is_empty() && ports.is_empty() {
            return Ok(false);
        }
        place.open().await?;
        let seen = newest_position(&place, &standing).await;
        if seen > position {
            self.catch_up(seen).await?;
            (position, ports) = self.shared_ports(h);
        }
        for &port in standing.iter().filter(|port| !ports.contains_key(port)) {
            place.end_pods(&shared_port::labels_of(h, port), GRACE).await?;
            place.put(&[FileOp::Remove { path: shared_port::dir(h, port) }]).await?;
        }
        let mut started = false;
        for (port, shared) in &ports {
            match self.serve(&place, shared, position).await {
                Ok(new) => started |= new,
                Err(error) if needed == Some(*port) => return Err(error),
                Err(error) => {
                    let (hypervisor, error) = (&h.spec.name, chain(&error));
                    tracing::warn!(%hypervisor, port, error, "shared port not served");
                }
            }
        }
        Ok(started)
    }

    /// Removes the routes to an ingress that is gone.
    pub(in crate::steps) async fn close_shared_port(
        &self,
        ctx: &NodeContext,
    ) -> Result<(), StepError> {
        if ctx.node.role != Role::ControlPlaneIngress {
            return Ok(());
        }
        self.reconcile_shared_ports(&ctx.hypervisor, None).await.map(drop)
    }

    /// Serves a port. haproxy restarts where it does not accept its configuration.
    async fn serve(
        &self,
        place: &Place,
        shared: &SharedPort<'_>,
        position: u64,
    ) -> Result<bool, StepError> {
        let (pod, files) = shared.pod(position)?;
        let console = shared_port::console(shared.hypervisor, shared.port);
        let digest = shared.digest();
        let started = place.start(&pod, &files).await?;
        let Err(error) = reload(place, &console, &digest).await else { return Ok(started) };
        tracing::warn!(port = shared.port, error = chain(&error), "restarting haproxy");
        place.end_pods(&pod.identity, GRACE).await?;
        place.start(&pod, &files).await?;
        reload(place, &console, &digest).await.map(|()| true)
    }

    /// The shared ports of the state, and its position.
    fn shared_ports<'a>(&self, h: &'a Hypervisor) -> (u64, BTreeMap<u16, SharedPort<'a>>) {
        let (position, routes) = self.view.read(|s| (s.position, s.routes(&h.spec.name)));
        let mut ports = BTreeMap::new();
        for route in routes {
            let port = route.port;
            let new = || SharedPort { hypervisor: h, port, routes: Vec::new() };
            ports.entry(port).or_insert_with(new).routes.push(route);
        }
        (position, ports)
    }

    /// Waits until the view has reached a position: what a worker that has seen more has written
    /// must not be undone.
    async fn catch_up(&self, position: u64) -> Result<(), StepError> {
        let mut positions = self.view.positions();
        let caught_up = async {
            while self.view.read(|s| s.position) < position && positions.changed().await.is_ok() {}
        };
        let behind = |_| StepError::Behind(position);
        tokio::time::timeout(CATCH_UP, caught_up).await.map_err(behind)
    }
}

/// The ports on which a haproxy of ours stands.
async fn standing_ports(place: &Place) -> Result<BTreeSet<u16>, StepError> {
    let sandboxes = place.sandboxes(&shared_port::labels(&place.hypervisor)).await?;
    Ok(sandboxes.iter().filter_map(|s| parsed(s.labels.get(label::PORT)?)).collect())
}

/// The newest position of the log that a configuration was rendered from.
async fn newest_position(place: &Place, ports: &BTreeSet<u16>) -> u64 {
    let mut newest = 0;
    for &port in ports {
        let console = shared_port::console(&place.hypervisor, port);
        match info(place, &console).await {
            Ok(info) => newest = newest.max(shared_port::position(&info).unwrap_or(0)),
            // It may have been killed: it starts with what is written now.
            Err(error) => tracing::debug!(port, error = chain(&error), "haproxy does not answer"),
        }
    }
    newest
}
