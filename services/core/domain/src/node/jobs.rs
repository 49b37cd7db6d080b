//! The jobs that a node owes.

use crate::backup::jobs::{owed_by_restore, staging};
use crate::cluster::Cluster;
use crate::jobs::job_of_cluster;
use crate::node::Node;
use oi_events::{ClusterName, Job, JobKind, JobTarget, NodeName, Role};

/// The jobs of all nodes of a cluster.
pub(crate) fn owed(name: &ClusterName, cluster: &Cluster) -> Vec<Job> {
    let mut jobs = Vec::new();
    for (node_name, node) in &cluster.nodes {
        for step in owed_steps(cluster, node_name) {
            let target = JobTarget::Node {
                cluster: name.clone(),
                node: node_name.clone(),
                generation: node.generation,
                step,
            };
            jobs.push(Job {
                hypervisor: Some(node.hypervisor.clone()),
                node: Some(node_name.clone()),
                ..job_of_cluster(name, cluster.uid, &target)
            });
        }
    }
    jobs
}

/// What a node owes.
pub(crate) fn owed_steps(cluster: &Cluster, name: &NodeName) -> Vec<JobKind> {
    let mut steps = owed_to_run(cluster, name);
    if cluster.owes_images(name) {
        steps.push(JobKind::PullImages);
    }
    steps
}

/// etcd members come one at a time, the oldest first, and an API server waits
/// for its own member; the very first node's parts all start at once.
fn owed_to_run(cluster: &Cluster, name: &NodeName) -> Vec<JobKind> {
    let Some(node) = cluster.nodes.get(name) else { return Vec::new() };
    let not_done = |step: &JobKind| !node.done.contains(step);
    if node.removing {
        if !cluster.owes_leave(node) {
            return vec![JobKind::RemoveNode];
        }
        if !cluster.is_down() {
            return vec![JobKind::LeaveCluster];
        }
        // The membership to which an abort returns knows it: it leaves once the restore has ended.
        return [JobKind::StopNode].into_iter().filter(not_done).collect();
    }
    if cluster.hibernated {
        return [JobKind::StopNode].into_iter().filter(not_done).collect();
    }
    if let Some(steps) = owed_by_restore(cluster, name, node) {
        return steps;
    }
    let mut steps = steps_of_start(cluster, name, node);
    steps.extend(staging(cluster, name));
    steps
}

/// What makes a node ready that is to run.
fn steps_of_start(cluster: &Cluster, name: &NodeName, node: &Node) -> Vec<JobKind> {
    let not_done = |step: &JobKind| !node.done.contains(step);
    if node.role != Role::ControlPlane {
        // They come after the first member: before, they would only be in its way.
        let useful = cluster.control_planes().iter().any(|(_, n)| n.joined);
        return node.steps().iter().filter(|s| useful && not_done(s)).cloned().collect();
    }
    let older_are_members = cluster
        .control_planes()
        .into_iter()
        .take_while(|(other, _)| *other != name)
        .all(|(other, older)| older.joined || cluster.is_given_up(other));
    let leaving = !cluster.is_down() && cluster.nodes.values().any(|n| cluster.owes_leave(n));
    // A member that starts anew under its API server is kept out of the way of clients.
    let at_once = cluster.is_oldest(name) && cluster.rotation.is_none();
    node.steps()
        .iter()
        .filter(|step| not_done(step))
        .filter(|step| match step {
            // A quorum of those that were members already comes back together.
            JobKind::EnsureEtcd => node.joined || (older_are_members && !leaving),
            _ => at_once || node.done.contains(&JobKind::EnsureEtcd),
        })
        .cloned()
        .collect()
}
