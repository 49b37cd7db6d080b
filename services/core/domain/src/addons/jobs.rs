//! The job that add-ons owe.

use crate::cluster::Cluster;
use crate::jobs::job_of_cluster;
use oi_events::{ClusterName, Job, JobKind, JobTarget};

/// They are reconciled while the API answers.
pub(crate) fn owed(name: &ClusterName, cluster: &Cluster) -> Option<Job> {
    let addons = cluster.addons.as_ref().filter(|a| !a.done && cluster.answers())?;
    let (step, generation) = (JobKind::ReconcileAddons, addons.generation);
    let target = JobTarget::Cluster { name: name.clone(), generation, step };
    Some(job_of_cluster(name, cluster.uid, &target))
}
