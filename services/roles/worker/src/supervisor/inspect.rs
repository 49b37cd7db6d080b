//! One look at a hypervisor: what runs is compared with what must run.

use super::expected::{ReadyNode, ReadyNodes, Running};
use super::{Errand, Supervisor, Watch};
use crate::desired::{Labels, etcd, label, shared_port};
use crate::locks::Part;
use crate::place::{Container, GRACE, ListedSandbox, Place};
use crate::steps::StepError;
use oi_events::{chain, parsed};
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
    /// Looks once, and has errands removed what must not run of ready nodes, and restarted what
    /// must. It waits for none of them: nobody's container waits for another's.
    pub(super) async fn inspect(&self, place: &Place, watch: &mut Watch) -> Result<(), StepError> {
        let name = &place.hypervisor.spec.name;
        // A node must be ready, and the same, before and after the list of containers was read:
        // what is missing has died then, and was not just started or stopped by a job.
        let mut ready = self.steps.view.read(|s| ReadyNode::all_on(s, name));
        let sandboxes = place.sandboxes(&Labels::new()).await?;
        let dead = dead_sandboxes(&ready, &sandboxes);
        let (supervisor, there) = (self.clone(), place.clone());
        watch.errands.start(Errand::Sweep, async move {
            supervisor.sweep(&there, &sandboxes).await;
            remove_dead_sandboxes(&there, dead).await;
        });
        if ready.is_empty() {
            return Ok(());
        }
        let mut present = Present::of(place.containers(&Labels::new()).await?);
        ready.retain(|_, node| self.is_current(node));
        for (labels, node) in ready {
            let containers = present.containers.remove(&labels).unwrap_or_default();
            let (expected, surplus): (Vec<_>, Vec<_>) = containers
                .into_iter()
                .filter(|c| node.covers(pod_of(c)))
                .partition(|c| node.must_run.iter().any(|must| *must == (pod_of(c), &*c.name)));
            for container in surplus {
                self.remove_surplus(place, &node, container, watch);
            }
            let runs = |must: &&Running| {
                expected.iter().any(|c| c.runs && **must == (pod_of(c), &*c.name))
            };
            let missing: BTreeSet<Running> =
                node.must_run.iter().filter(|must| !runs(must)).copied().collect();
            let port = node.shared_port.filter(|port| !present.shared_ports.contains(port));
            if missing.is_empty() && port.is_none() {
                watch.backoffs.runs(&(node.uid, node.name.clone()));
            } else {
                let late = port.is_none() && missing.iter().all(|m| node.is_late(m));
                let member_runs = !missing.contains(&(etcd::POD, etcd::POD));
                self.restart(place, node, late, member_runs, watch);
            }
        }
        Ok(())
    }

    pub(super) fn is_current(&self, node: &ReadyNode) -> bool {
        self.steps.view.read(|s| node.is_current(s))
    }

    /// Removes a container that must not run: the supervisor of another worker may have restarted
    /// it at the very moment at which a job stopped it.
    fn remove_surplus(
        &self,
        place: &Place,
        node: &ReadyNode,
        surplus: Container,
        watch: &mut Watch,
    ) {
        let (supervisor, place, node) = (self.clone(), place.clone(), node.clone());
        watch.errands.start(Errand::Remove(surplus.id.clone()), async move {
            let locks = &supervisor.steps.node_locks;
            let held = locks.for_supervisor(node.uid, &node.name, Part::ALL);
            if held.is_none() || !supervisor.is_current(&node) {
                return;
            }
            let generation = node.generation;
            let (cluster, node, container) = (&node.cluster, &node.name, &surplus.name);
            tracing::warn!(%cluster, %node, container, "must not run: removing it");
            let removed = place.remove_container(&surplus, generation, GRACE).await;
            if let Err(error) = removed {
                tracing::warn!(%cluster, %node, container, error = chain(&error), "not removed");
            }
        });
    }
}

/// Sandboxes of ready nodes that are not ready: a call that was cut off can leave one beside the
/// ready one.
fn dead_sandboxes(ready: &ReadyNodes, sandboxes: &[ListedSandbox]) -> Vec<String> {
    let is_dead = |sandbox: &&ListedSandbox| {
        let label = |label| sandbox.labels.get(label).cloned().unwrap_or_default();
        let node = ready.get(&(label(label::CLUSTER_UID), label(label::NODE)));
        !sandbox.ready && node.is_some_and(|node| node.covers(&label(label::POD)))
    };
    sandboxes.iter().filter(is_dead).map(|sandbox| sandbox.id.clone()).collect()
}

async fn remove_dead_sandboxes(place: &Place, dead: Vec<String>) {
    for sandbox in dead {
        tracing::warn!(sandbox, "removing a sandbox that is not ready");
        if let Err(error) = place.remove_sandbox(&sandbox).await {
            tracing::warn!(sandbox, error = chain(&error), "not removed");
        }
    }
}
