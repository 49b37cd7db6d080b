//! The job that a deleted cluster owes.

use crate::cluster::{Cluster, ClusterPhase};
use crate::jobs::job_of_cluster;
use oi_events::{ClusterName, Job, JobKind, JobTarget};

/// Its data key is destroyed once nothing is left of it, and its backups need not be read any
/// more.
pub(crate) fn owed(name: &ClusterName, cluster: &Cluster) -> Option<Job> {
    let gone = cluster.phase == ClusterPhase::Deleting
        && cluster.nodes.is_empty()
        && cluster.backups_until_ms.is_none();
    let (step, generation) = (JobKind::ShredKey, cluster.generation);
    let target = JobTarget::Cluster { name: name.clone(), generation, step };
    gone.then(|| job_of_cluster(name, cluster.uid, &target))
}
