//! The jobs that hypervisors owe.

use crate::hypervisor::{Hypervisor, Orphan, Reach};
use crate::state::State;
use oi_events::{HypervisorName, Job, JobKind, JobTarget};
use std::sync::Arc;

pub(crate) fn owed(state: &State) -> Vec<Job> {
    let unprepared = state.hypervisors.iter().filter(|(_, h)| !h.prepared);
    let back = state.hypervisors.iter().filter(|(_, h)| matches!(h.reach, Reach::Reachable(_)));
    let orphans = back.flat_map(|(name, h)| h.orphans.iter().map(move |l| orphan(name, l)));
    let job = |(name, h): (&HypervisorName, &Arc<Hypervisor>)| {
        let target = JobTarget::Hypervisor {
            name: name.clone(),
            generation: h.generation,
            step: JobKind::ProbeHypervisor,
        };
        Job {
            id: target.id(),
            kind: target.kind(),
            hypervisor: Some(name.clone()),
            cluster: None,
            cluster_uid: None,
            node: None,
            generation: h.generation,
        }
    };
    unprepared.map(job).chain(orphans).collect()
}

fn orphan(hypervisor: &HypervisorName, left: &Orphan) -> Job {
    let target = JobTarget::Orphan {
        hypervisor: hypervisor.clone(),
        cluster_uid: left.cluster_uid,
        node: left.node.clone(),
        generation: left.generation,
        step: JobKind::RemoveOrphan,
    };
    Job {
        id: target.id(),
        kind: target.kind(),
        hypervisor: Some(hypervisor.clone()),
        cluster: Some(left.cluster.clone()),
        cluster_uid: Some(left.cluster_uid),
        node: Some(left.node.clone()),
        generation: left.generation,
    }
}
