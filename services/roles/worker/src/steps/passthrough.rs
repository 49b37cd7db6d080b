//! Ports of a hypervisor that clusters share: what the state says of them is so.

use super::ingress::reload;
use super::{StepError, Steps, start};
use crate::pods::passthrough::{self, Passthrough};
use oi_cri::{CriClient, FileOp, GRACE, Helper, label};
use oi_domain::Hypervisor;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long it waits until its own view has what another worker has seen.
const PATIENCE: Duration = Duration::from_secs(10);

impl Steps {
    /// haproxy runs on each port that clusters share there, with the ways that there are now;
    /// and on no other. Returns whether something was started. One that cannot be made so is
    /// an error for whoever needs it, and does not keep others from theirs.
    pub async fn pass_through(
        &self,
        h: &Hypervisor,
        needed: Option<u16>,
    ) -> Result<bool, StepError> {
        let turn = self.passages.of(h.spec.name.clone());
        let _held = turn.lock().await;
        let client = self.hypervisors.client(h)?;
        let there: BTreeSet<u16> = client
            .sandboxes(&passthrough::labels(h))
            .await?
            .iter()
            .filter_map(|s| s.labels.get(label::PORT)?.parse().ok())
            .collect();
        let (mut position, mut ports) = self.ports(h);
        if there.is_empty() && ports.is_empty() {
            return Ok(false);
        }
        let helper = self.hypervisors.helper(h).await?;
        let mut seen = position;
        for &port in &there {
            seen = seen.max(as_of(&helper, h, port).await.unwrap_or(0));
        }
        if seen > position {
            self.see(seen).await?;
            (position, ports) = self.ports(h);
        }
        for &port in there.iter().filter(|port| !ports.contains_key(port)) {
            self.end_pods(h, &passthrough::labels_of(h, port), GRACE).await?;
            helper.put(&[FileOp::Remove { path: passthrough::dir(h, port) }]).await?;
        }
        let mut started = false;
        for (port, shared) in &ports {
            match self.listen(&client, &helper, shared, position).await {
                Ok(new) => started |= new,
                Err(error) if needed == Some(*port) => return Err(error),
                Err(error) => {
                    let (hypervisor, error) = (&h.spec.name, oi_events::chain(&error));
                    tracing::warn!(%hypervisor, port, error, "what clusters share is not served");
                }
            }
        }
        Ok(started)
    }

    /// One that does not take its configuration is started anew.
    async fn listen(
        &self,
        client: &CriClient,
        helper: &Helper,
        shared: &Passthrough<'_>,
        position: u64,
    ) -> Result<bool, StepError> {
        let (pod, files) = shared.pod(position)?;
        let (console, digest) = (shared.console(), shared.digest());
        let started = start(client, helper, &pod, &files).await?;
        let Err(error) = reload(helper, &console, &digest).await else { return Ok(started) };
        tracing::warn!(port = shared.port, error = oi_events::chain(&error), "starting it anew");
        self.end_pods(shared.hypervisor, &pod.identity, GRACE).await?;
        start(client, helper, &pod, &files).await?;
        reload(helper, &console, &digest).await.map(|()| true)
    }

    /// The ports that clusters share there, as of a position of the log.
    fn ports<'a>(&self, h: &'a Hypervisor) -> (u64, BTreeMap<u16, Passthrough<'a>>) {
        let (position, routes) = self.view.read(|s| (s.position, s.routes(&h.spec.name)));
        let mut ports = BTreeMap::new();
        for route in routes {
            let port = route.port;
            let new = || Passthrough { hypervisor: h, port, routes: Vec::new() };
            ports.entry(port).or_insert_with(new).routes.push(route);
        }
        (position, ports)
    }

    /// Another worker knows more: what it has put there must not be taken back.
    async fn see(&self, position: u64) -> Result<(), StepError> {
        let mut positions = self.view.positions();
        let caught_up = async {
            while self.view.read(|s| s.position) < position && positions.changed().await.is_ok() {}
        };
        let behind = |_| StepError::Behind(position);
        tokio::time::timeout(PATIENCE, caught_up).await.map_err(behind)
    }
}

/// As of which position of the log the ways through a port were made.
async fn as_of(helper: &Helper, h: &Hypervisor, port: u16) -> Option<u64> {
    let shared = Passthrough { hypervisor: h, port, routes: Vec::new() };
    let info = helper.console(&shared.console(), "@1 show info").await.ok()?;
    passthrough::position(&info)
}
