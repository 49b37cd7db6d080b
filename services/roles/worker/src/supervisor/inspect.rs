//! One look at a hypervisor: what runs is compared with what must run.

use super::Supervisor;
use super::backoff::Backoffs;
use super::expected::{ReadyNode, ReadyNodes};
use crate::desired::{Labels, etcd, label, shared_port};
use crate::place::{Container, GRACE, ListedSandbox, Place};
use crate::steps::StepError;
use oi_events::parsed;
use std::collections::{BTreeMap, BTreeSet};

/// What is on a hypervisor.
#[derive(Default)]
struct Present {
    /// Containers by the labels of their node.
    containers: BTreeMap<(String, String), Vec<Container>>,
    /// Shared ports on which a haproxy runs.
    shared_ports: BTreeSet<u16>,
}

fn pod_of(container: &Container) -> &str {
    container.labels.get(label::POD).map(String::as_str).unwrap_or_default()
}

impl Present {
    fn of(all: Vec<Container>) -> Present {
        let mut present = Present::default();
        for container in all {
            let labels = &container.labels;
            if pod_of(&container) == shared_port::POD && container.runs {
                let port = labels.get(label::PORT).and_then(|port| parsed::<u16>(port));
                present.shared_ports.extend(port);
            }
            if let (Some(uid), Some(node)) =
                (labels.get(label::CLUSTER_UID), labels.get(label::NODE))
            {
                let key = (uid.clone(), node.clone());
                present.containers.entry(key).or_default().push(container);
            }
        }
        present
    }
}

impl Supervisor {
    /// Removes what must not run of ready nodes, and restarts what must.
    pub(super) async fn inspect(
        &self,
        place: &Place,
        backoffs: &mut Backoffs,
    ) -> Result<(), StepError> {
        let name = &place.hypervisor.spec.name;
        // A node must be ready, and the same, before and after the list of containers was read:
        // what is missing has died then, and was not just started or stopped by a job.
        let mut ready = self.steps.view.read(|s| ReadyNode::all_on(s, name));
        let sandboxes = place.sandboxes(&Labels::new()).await?;
        self.sweep(place, &sandboxes).await;
        if ready.is_empty() {
            return Ok(());
        }
        let mut present = Present::of(place.containers(&Labels::new()).await?);
        ready.retain(|_, node| self.is_current(node));
        if let Err(error) = remove_dead_sandboxes(place, &ready, &sandboxes).await {
            tracing::debug!(hypervisor = %name, %error, "dead sandboxes stay");
        }
        for (key, node) in ready {
            let containers = present.containers.remove(&key).unwrap_or_default();
            let (expected, surplus): (Vec<_>, Vec<_>) = containers
                .into_iter()
                .partition(|c| node.must_run.contains(&(pod_of(c), c.name.as_str())));
            for container in surplus {
                self.remove_surplus(place, &node, &container).await?;
            }
            let running: Vec<_> = expected.into_iter().filter(|c| c.runs).collect();
            let is_reached =
                node.shared_port.is_none_or(|port| present.shared_ports.contains(&port));
            if running.len() >= node.must_run.len() && is_reached {
                backoffs.runs(&node.cluster, &node.name);
            } else {
                let no_etcd = node.is_member() && !running.iter().any(|c| pod_of(c) == etcd::POD);
                self.restart(node, no_etcd, backoffs).await;
            }
        }
        Ok(())
    }

    pub(super) fn is_current(&self, node: &ReadyNode) -> bool {
        self.steps.view.read(|s| node.is_current(s))
    }

    /// Removes a container that must not run: the supervisor of another worker may have restarted
    /// it at the very moment at which a job stopped it.
    async fn remove_surplus(
        &self,
        place: &Place,
        node: &ReadyNode,
        surplus: &Container,
    ) -> Result<(), StepError> {
        let held = self.steps.node_locks.for_supervisor(node.uid, &node.name);
        if held.is_some() && self.is_current(node) {
            let (cluster, node, container) = (&node.cluster, &node.name, &surplus.name);
            tracing::warn!(%cluster, %node, container, "must not run: removing it");
            place.remove_container(&surplus.id, GRACE).await?;
        }
        Ok(())
    }
}

/// Removes sandboxes that are not ready: a call that was cut off can leave one beside the ready
/// one.
async fn remove_dead_sandboxes(
    place: &Place,
    ready: &ReadyNodes,
    sandboxes: &[ListedSandbox],
) -> Result<(), StepError> {
    for sandbox in sandboxes {
        let label = |label| sandbox.labels.get(label).cloned().unwrap_or_default();
        let node = (label(label::CLUSTER_UID), label(label::NODE));
        if !sandbox.ready && ready.contains_key(&node) {
            tracing::warn!(sandbox = sandbox.id, "removing a sandbox that is not ready");
            place.remove_sandbox(&sandbox.id).await?;
        }
    }
    Ok(())
}
