//! Which work the state owes: a pure function, so that losing the queue loses
//! nothing.

use crate::cluster::Cluster;
use crate::job::Retry;
use crate::node::jobs::owed_steps;
use crate::state::State;
use crate::{addons, backup, cluster, hypervisor, node};
use oi_events::{About, ClusterName, ClusterUid, Event, Job, JobId, JobTarget};

/// A part of the state that owes jobs by itself: what an event changes elsewhere
/// changes nothing here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All hypervisors.
    Hypervisors,
    /// One cluster.
    Cluster(ClusterName),
}

impl Scope {
    /// Where an event may change what is owed. A hypervisor owes nothing for a node that it
    /// lost before it answers again.
    pub fn of(event: &Event) -> Scope {
        Scope::about(&event.facts().about)
    }

    /// Where a job belongs; none where its id is not one of ours.
    pub fn of_job(id: &JobId) -> Option<Scope> {
        JobTarget::parse(id).map(|_| Scope::about(&About::job(id)))
    }

    fn about(about: &About) -> Scope {
        about.cluster.clone().map_or(Scope::Hypervisors, Scope::Cluster)
    }

    /// All scopes of a state.
    pub fn all(state: &State) -> impl Iterator<Item = Scope> {
        let clusters = state.clusters.keys().cloned().map(Scope::Cluster);
        std::iter::once(Scope::Hypervisors).chain(clusters)
    }
}

/// All jobs that the state owes, in a fixed order. A job that has failed is owed
/// again once its pause is over (see [`due`](crate::due)).
pub fn owed(state: &State) -> Vec<Job> {
    Scope::all(state).flat_map(|scope| owed_in(state, &scope)).collect()
}

/// The jobs that one scope owes. Its cost does not grow with the number of clusters.
pub fn owed_in(state: &State, scope: &Scope) -> Vec<Job> {
    let mut jobs = jobs_in(state, scope);
    jobs.retain(|job| state.failures.get(&job.id).is_none_or(|t| t.retry == Retry::Now));
    jobs
}

/// The same with those that wait after a failure.
pub fn jobs_in(state: &State, scope: &Scope) -> Vec<Job> {
    match scope {
        Scope::Hypervisors => hypervisor::jobs::owed(state),
        Scope::Cluster(name) => {
            state.clusters.get(name).map(|c| owed_by_cluster(name, c)).unwrap_or_default()
        }
    }
}

/// Whether a job is owed, and its pause is over.
pub fn is_owed(state: &State, job: &JobId) -> bool {
    is_unfinished(state, job) && state.failures.get(job).is_none_or(|t| t.retry == Retry::Now)
}

/// Whether a job is owed, now or after a pause.
pub fn is_unfinished(state: &State, job: &JobId) -> bool {
    let Some(target) = JobTarget::parse(job) else { return false };
    // Most jobs are for nodes: no other needs to be looked at.
    if let JobTarget::Node { cluster, node, generation, step } = &target {
        return state.clusters.get(cluster).is_some_and(|c| {
            c.nodes.get(node).is_some_and(|n| n.generation == *generation)
                && owed_steps(c, node).contains(step)
        }) && target.id() == *job;
    }
    jobs_in(state, &Scope::about(&About::job(job))).iter().any(|j| j.id == *job)
}

/// A job for something of a cluster, on no hypervisor.
pub(crate) fn job_of_cluster(name: &ClusterName, uid: ClusterUid, target: &JobTarget) -> Job {
    Job {
        id: target.id(),
        kind: target.kind(),
        hypervisor: None,
        cluster: Some(name.clone()),
        cluster_uid: Some(uid),
        node: None,
        generation: target.generation(),
    }
}

/// The jobs of one cluster, those that failed included.
fn owed_by_cluster(name: &ClusterName, cluster: &Cluster) -> Vec<Job> {
    let mut jobs = Vec::new();
    jobs.extend(cluster::jobs::owed(name, cluster));
    jobs.extend(addons::jobs::owed(name, cluster));
    jobs.extend(backup::jobs::owed(name, cluster));
    jobs.extend(node::jobs::owed(name, cluster));
    jobs
}
