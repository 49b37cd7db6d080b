//! The job that a deleted cluster owes.

use crate::cluster::{Cluster, ClusterPhase};
use crate::jobs::job_of_cluster;
use oi_events::{ClusterName, Job, JobKind, JobTarget};

/// Its data key is destroyed once nothing is left of it.
pub(crate) fn owed(name: &ClusterName, cluster: &Cluster) -> Option<Job> {
    let gone = cluster.phase == ClusterPhase::Deleting && cluster.nodes.is_empty();
    let (step, generation) = (JobKind::ShredKey, cluster.generation);
    let target = JobTarget::Cluster { name: name.clone(), generation, step };
    gone.then(|| job_of_cluster(name, cluster.uid, &target))
}
