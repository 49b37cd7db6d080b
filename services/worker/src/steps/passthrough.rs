//! Ports of a hypervisor that clusters share: what the state says of them is so.

use super::ingress::reload;
use super::{StepError, Steps, start};
use crate::names;
use crate::pods::passthrough::{self, Passthrough};
use oi_cri::{FileOp, GRACE, Helper, label};
use oi_domain::Hypervisor;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long it waits until its own view has what another worker has seen.
const PATIENCE: Duration = Duration::from_secs(10);

impl Steps {
    /// haproxy runs on each port that clusters share there, with the ways that there are now;
    /// and on no other. Returns whether something was started.
    pub(super) async fn pass_through(&self, h: &Hypervisor) -> Result<bool, StepError> {
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
            self.see(seen).await;
            (position, ports) = self.ports(h);
        }
        for &port in there.iter().filter(|port| !ports.contains_key(port)) {
            self.end_pods(h, &passthrough::labels_of(h, port), GRACE).await?;
            helper.put(&[FileOp::Remove { path: passthrough::dir(h, port) }]).await?;
        }
        if ports.is_empty() {
            helper.put(&[FileOp::Remove { path: names::passthrough_dir(h) }]).await?;
        }
        let mut started = false;
        for shared in ports.values() {
            let (pod, files) = shared.pod(position)?;
            if start(&client, &helper, &pod, &files).await? {
                started = true;
            } else {
                reload(&helper, &shared.console(), &shared.digest()).await?;
            }
        }
        Ok(started)
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
    async fn see(&self, position: u64) {
        let mut positions = self.view.positions();
        let caught_up = async {
            while self.view.read(|s| s.position) < position && positions.changed().await.is_ok() {}
        };
        if tokio::time::timeout(PATIENCE, caught_up).await.is_err() {
            tracing::warn!(position, "another worker has seen more of the log");
        }
    }
}

/// As of which position of the log the ways through a port were made.
async fn as_of(helper: &Helper, h: &Hypervisor, port: u16) -> Option<u64> {
    let shared = Passthrough { hypervisor: h, port, routes: Vec::new() };
    let info = helper.console(&shared.console(), "@1 show info").await.ok()?;
    passthrough::position(&info)
}
